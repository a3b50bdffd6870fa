"""One message of the agent: its own JSON, and the little of it that says where it belongs."""

from dataclasses import dataclass, field

import msgspec

from agent_runtime.backends.acp import shapes
from agent_runtime.backends.jsonrpc import Error, read_envelope
from agent_runtime.backends.shape import shape

UPDATE = "session/update"
PERMISSION = "session/request_permission"


@dataclass(frozen=True, slots=True)
class Event:
    """`raw` is the agent's JSON untouched.

    `type` is its method, "" for an answer. `number`: the agent's own of a request, ours of
    an answer.
    """

    type: str
    number: int | str | None
    session_id: str
    params: msgspec.Raw = field(repr=False)
    result: msgspec.Raw = field(repr=False)
    error: Error | None
    raw: bytes = field(repr=False)

    @property
    def is_request(self) -> bool:
        return bool(self.type) and self.number is not None


def read(raw: bytes) -> Event:
    """Raises Unreadable."""
    told = read_envelope(raw)
    where = shape(told.params, shapes.Where) or shapes.Where()
    return Event(
        type=told.method,
        number=told.id,
        session_id=where.session_id,
        params=told.params,
        result=told.result,
        error=told.error,
        raw=raw,
    )


def reason(error: Error) -> str:
    """What went wrong, in the most telling words there are."""
    told = shape(error.data, shapes.Explanation) or shapes.Explanation()
    return (told.message or told.details or error.message or f"error {error.code}")[:2000]
