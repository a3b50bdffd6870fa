"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from typing import Any

import msgspec

from agent_runtime.model import BackendEvent, Kind

_FIELDS = {Kind.TEXT_DELTA: "text", Kind.REASONING_DELTA: "thinking"}


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    name = _FIELDS.get(first.kind)
    if name is None or first.kind is not second.kind:
        return None
    data, other = _json(first.data_json), _json(second.data_json)
    if {**data, "text": ""} != {**other, "text": ""}:
        return None
    data["text"] += other["text"]
    event = _json(first.event_json)
    event["event"]["delta"][name] = data["text"]
    return BackendEvent(
        first.event_type, msgspec.json.encode(event), first.kind, msgspec.json.encode(data)
    )


def _json(encoded: bytes) -> dict[str, Any]:
    """Of an event that was understood as a delta, so that its shape is known."""
    read: dict[str, Any] = msgspec.json.decode(encoded)
    return read
