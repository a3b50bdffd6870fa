"""JSON that a CLI says, read in the shapes that are expected of it."""

from typing import TypeVar

import msgspec

from agent_runtime.backends.unreadable import Unreadable

S = TypeVar("S", bound=msgspec.Struct)


def envelope(raw: bytes, kind: type[S]) -> S:
    """What a whole message is wrapped in. Raises Unreadable."""
    try:
        raw.decode("utf-8")
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error


def shape(content: bytes | msgspec.Raw, kind: type[S]) -> S | None:
    """A part of it in that shape, None when it has another one."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (ValueError, RecursionError):
        return None
