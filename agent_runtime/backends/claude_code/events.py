"""One line of the CLI: its own JSON, and the little of it that says where it belongs."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent_runtime.backends import shape as shaping
from agent_runtime.backends.claude_code import shapes

_UNFORWARDED = frozenset({"keep_alive", "command_lifecycle", "control_cancel_request"})
"""Lines between the CLI and whoever drives it, which say nothing about the work."""


@dataclass(frozen=True, slots=True)
class Event:
    """`raw` is the CLI's JSON untouched; `subagent` the call that started it, "" for none."""

    type: str
    subtype: str
    session_id: str
    subagent: str
    raw: bytes = field(repr=False)

    @property
    def forwarded(self) -> bool:
        return self.type not in _UNFORWARDED


S = TypeVar("S", bound=msgspec.Struct)


def read(raw: bytes) -> Event:
    """Raises Unreadable when it is no JSON object with a string `type`."""
    head = shaping.envelope(raw, shapes.Head)
    return Event(head.type, head.subtype, head.session_id, head.parent_tool_use_id or "", raw)


def shape(event: Event, kind: type[S]) -> S | None:
    """The event in that shape, None when it has another one."""
    return shaping.shape(event.raw, kind)


def answer_to(raw: bytes) -> int | None:
    """The number of our control request that a line answers; our ids are numbers."""
    if b"control_response" not in raw[:64]:
        return None
    try:
        told = msgspec.json.decode(raw, type=shapes.ControlResponse)
        return int(told.response.request_id)
    except (ValueError, RecursionError):
        return None
