"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from msgspec import json

from agent_runtime.model import BackendEvent

_DELTA = "message.part.delta"
_SAME_PART = ("sessionID", "messageID", "partID", "field")


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.event_type != _DELTA or second.event_type != _DELTA:
        return None
    event, following = json.decode(first.event_json), json.decode(second.event_json)
    properties, others = event["properties"], following["properties"]
    if any(properties.get(name) != others.get(name) for name in _SAME_PART):
        return None
    properties["delta"] += others["delta"]
    data = json.decode(first.data_json)
    data["text"] += json.decode(second.data_json)["text"]
    return BackendEvent(_DELTA, json.encode(event), first.kind, json.encode(data))
