"""What tells of a changed file where a CLI has no event of its own for it."""

from typing import Any

import msgspec

from agent_runtime.model import BackendEvent, Kind


def file_changed(event_type: str, part: msgspec.Raw, data: dict[str, Any]) -> BackendEvent:
    """`part`: of an event of that type, what says so, untouched."""
    return BackendEvent(event_type, bytes(part), Kind.FILE_CHANGED, msgspec.json.encode(data))
