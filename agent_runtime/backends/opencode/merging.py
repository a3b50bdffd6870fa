"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from typing import Any

import msgspec

from agent_runtime.model import BackendEvent

_DELTA = "message.part.delta"
_SAME_PART = ("sessionID", "messageID", "partID", "field")


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.event_type != _DELTA or second.event_type != _DELTA:
        return None
    event, following = _json(first.event_json), _json(second.event_json)
    properties, others = event["properties"], following["properties"]
    if any(properties.get(name) != others.get(name) for name in _SAME_PART):
        return None
    properties["delta"] += others["delta"]
    data = _json(first.data_json)
    data["text"] += _json(second.data_json)["text"]
    return BackendEvent(_DELTA, msgspec.json.encode(event), first.kind, msgspec.json.encode(data))


def _json(encoded: bytes) -> dict[str, Any]:
    """Of an event that was understood as a delta, so that its shape is known."""
    read: dict[str, Any] = msgspec.json.decode(encoded)
    return read
