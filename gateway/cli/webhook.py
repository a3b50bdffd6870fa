"""What a gateway posts to a receiver, as far as it is shown here."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a turn failed."""

    code: str = ""
    message: str = ""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One event. The agent's own JSON (`event`) is left in the body, unread."""

    event_type: str
    agent_id: str
    request_id: str
    seq: int
    timestamp: str = ""
    is_final: bool = False
    backend_event_type: str = ""
    kind: str = ""
    data: dict[str, Any] = {}
    outcome: str = ""
    error: Fault | None = None
    usage: dict[str, Any] = {}

    @property
    def own_id(self) -> str:
        """The webhook id that it has when it comes alone."""
        what = f"{self.request_id}_final" if self.is_final else self.seq
        return f"{self.agent_id}_{what}"

    @property
    def turn(self) -> tuple[str, str]:
        """Request ids are unique within their agent only."""
        return self.agent_id, self.request_id

    def text(self, name: str = "text") -> str:
        """A field of `data` as text: "" when absent, JSON when it is no string."""
        value = self.data.get(name, "")
        return value if isinstance(value, str) else msgspec.json.encode(value).decode()

    def gist(self) -> str:
        """What it says, as far as it fits into a word or a line."""
        return self.text() or self.text("tool") or self.outcome or self.backend_event_type


class _Posted(msgspec.Struct, frozen=True):
    """One event, or a batch of them."""

    events: Annotated[list[Raw], Meta(min_length=1)] | UnsetType = UNSET


def payloads(body: bytes) -> list[bytes]:
    """Of the events in one POST. Raises msgspec.DecodeError where it is neither form."""
    events = msgspec.json.decode(body, type=_Posted).events
    return [body] if events is UNSET else [bytes(event) for event in events]


def parse(body: bytes) -> Webhook:
    """Raises msgspec.DecodeError where it is no event."""
    return msgspec.json.decode(body, type=Webhook)
