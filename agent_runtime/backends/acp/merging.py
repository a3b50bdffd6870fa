"""Two neighbouring deltas of a part as the one that the agent might have sent instead."""

from msgspec import json

from agent_runtime.model import BackendEvent, Kind

_DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.kind not in _DELTAS or first.kind is not second.kind:
        return None
    data, other = json.decode(first.data_json), json.decode(second.data_json)
    if data["part_id"] != other["part_id"]:
        return None
    data["text"] += other["text"]
    event = json.decode(first.event_json)
    event["params"]["update"]["content"]["text"] = data["text"]
    return BackendEvent(first.event_type, json.encode(event), first.kind, json.encode(data))
