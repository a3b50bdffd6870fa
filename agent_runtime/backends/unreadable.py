"""What a CLI said and nobody can read, so that it is not lost in silence."""

import msgspec

from agent_runtime.model import BackendEvent, Kind

_SHOWN_BYTES = 1024


def unreadable(raw: bytes, reason: str) -> BackendEvent:
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
