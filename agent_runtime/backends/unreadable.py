"""What a CLI said and nobody can read, so that it is not lost in silence."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.model import BackendEvent, Kind

E = TypeVar("E")

_SHOWN_BYTES = 1024


class Unreadable(ValueError):
    """Not a message of the CLI, or not UTF-8; says why."""


async def readable(raw: bytes, read: Callable[[bytes], E], sink: TurnSink) -> E | None:
    """What `read` makes of it; None when it is Unreadable, which the sink is then told."""
    try:
        return read(raw)
    except Unreadable as error:
        await sink.emit(_unreadable(raw, str(error)))
        return None


def _unreadable(raw: bytes, reason: str) -> BackendEvent:
    """A status that shows how it begins."""
    told = {
        "type": "unreadable",
        "reason": reason,
        "start": raw[:_SHOWN_BYTES].decode("utf-8", "replace"),
    }
    data = {"status": "unreadable", "message": reason}
    return BackendEvent(
        "unreadable", msgspec.json.encode(told), Kind.STATUS, msgspec.json.encode(data)
    )
