"""JSON-RPC messages: what one is wrapped in, and which of them answer a call of ours."""

import msgspec
from msgspec import Raw

from agent_runtime.backends.shape import envelope
from agent_runtime.backends.unreadable import Unreadable

EMPTY = Raw(b"{}")


class Error(msgspec.Struct):
    code: int = 0
    message: str = ""
    data: Raw = EMPTY


class Envelope(msgspec.Struct):
    """A notification or request has a method, an answer has none.

    `id`: the CLI's own of a request, ours of an answer.
    """

    method: str = ""
    id: int | str | None = None
    params: Raw = EMPTY
    result: Raw = EMPTY
    error: Error | None = None


def read_envelope(raw: bytes) -> Envelope:
    """Raises Unreadable."""
    told = envelope(raw, Envelope)
    if not told.method and told.id is None:
        raise Unreadable("neither a method nor an id")
    return told


def answer_to(raw: bytes) -> int | None:
    """The number of our call that a message answers."""
    try:
        told = read_envelope(raw)
    except Unreadable:
        return None
    return told.id if not told.method and isinstance(told.id, int) else None
