"""One message of the agent: its own JSON, and the little of it that says where it belongs."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from agent_runtime.backends.acp import shapes

UPDATE = "session/update"
PERMISSION = "session/request_permission"


class Unreadable(ValueError):
    """Not a message: no JSON object, or not UTF-8."""


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
    error: shapes.Error | None
    raw: bytes = field(repr=False)

    @property
    def is_request(self) -> bool:
        return bool(self.type) and self.number is not None


S = TypeVar("S", bound=msgspec.Struct)


def read(raw: bytes) -> Event:
    """Raises Unreadable."""
    try:
        raw.decode("utf-8")
        told = msgspec.json.decode(raw, type=shapes.Envelope)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    if not told.method and told.id is None:
        raise Unreadable("neither a method nor an id")
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


def shape(content: msgspec.Raw, kind: type[S]) -> S | None:
    """The params or the result in that shape, None when they have another one."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError):
        return None


def answer_to(raw: bytes) -> int | None:
    """The number of our call that a message answers."""
    try:
        told = msgspec.json.decode(raw, type=shapes.Envelope)
    except (ValueError, RecursionError):
        return None
    return told.id if not told.method and isinstance(told.id, int) else None


def reason(error: shapes.Error) -> str:
    """What went wrong, in the most telling words there are."""
    told = shape(error.data, shapes.Explanation) or shapes.Explanation()
    return (told.message or told.details or error.message or f"error {error.code}")[:2000]
