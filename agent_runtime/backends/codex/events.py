"""One message of the CLI: its own JSON, and the little of it that says where it belongs."""

from dataclasses import dataclass, field

import msgspec

from agent_runtime.backends.codex import shapes
from agent_runtime.backends.jsonrpc import read_envelope
from agent_runtime.backends.shape import shape

_UNFORWARDED_PREFIXES = ("account/", "app/", "fuzzyFileSearch/", "remoteControl/", "skills/")
_UNFORWARDED = frozenset({"configWarning", "deprecationNotice", "thread/readState/changed"})
"""Messages that say nothing about the work."""


@dataclass(frozen=True, slots=True)
class Event:
    """`raw` is the CLI's JSON untouched.

    `type` is its method, "" for an answer. `number`: the CLI's own of a request, ours of
    an answer. `thread_id` and `turn_id` are "" where it names none.
    """

    type: str
    number: int | str | None
    thread_id: str
    turn_id: str
    params: msgspec.Raw = field(repr=False)
    result: msgspec.Raw = field(repr=False)
    error: str | None
    raw: bytes = field(repr=False)

    @property
    def is_request(self) -> bool:
        return bool(self.type) and self.number is not None

    @property
    def forwarded(self) -> bool:
        known = self.type in _UNFORWARDED or self.type.startswith(_UNFORWARDED_PREFIXES)
        return bool(self.type) and not known


def read(raw: bytes) -> Event:
    """Raises Unreadable."""
    told = read_envelope(raw)
    where = shape(told.params, shapes.Where) or shapes.Where()
    return Event(
        type=told.method,
        number=told.id,
        thread_id=where.thread_id,
        turn_id=where.turn_id or (where.turn.id if where.turn is not None else ""),
        params=told.params,
        result=told.result,
        error=told.error.message if told.error is not None else None,
        raw=raw,
    )
