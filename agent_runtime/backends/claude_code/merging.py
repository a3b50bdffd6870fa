"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from msgspec import json

from agent_runtime.model import BackendEvent, Kind

_FIELDS = {Kind.TEXT_DELTA: "text", Kind.REASONING_DELTA: "thinking"}


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    name = _FIELDS.get(first.kind)
    if name is None or first.kind is not second.kind:
        return None
    data, other = json.decode(first.data_json), json.decode(second.data_json)
    if {**data, "text": ""} != {**other, "text": ""}:
        return None
    data["text"] += other["text"]
    event = json.decode(first.event_json)
    event["event"]["delta"][name] = data["text"]
    return BackendEvent(first.event_type, json.encode(event), first.kind, json.encode(data))
