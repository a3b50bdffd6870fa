"""Two neighbouring deltas of a part as the one that the agent might have sent instead."""

from typing import Any

import msgspec

from agent_runtime.model import BackendEvent, Kind

_DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.kind not in _DELTAS or first.kind is not second.kind:
        return None
    data, other = _json(first.data_json), _json(second.data_json)
    if data["part_id"] != other["part_id"]:
        return None
    data["text"] += other["text"]
    event = _json(first.event_json)
    event["params"]["update"]["content"]["text"] = data["text"]
    return BackendEvent(
        first.event_type, msgspec.json.encode(event), first.kind, msgspec.json.encode(data)
    )


def _json(encoded: bytes) -> dict[str, Any]:
    """Of an event that was understood as a delta, so that its shape is known."""
    read: dict[str, Any] = msgspec.json.decode(encoded)
    return read
