"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from msgspec import json

from agent_runtime.model import BackendEvent, Kind

_DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.kind not in _DELTAS or first.event_type != second.event_type:
        return None
    event, following = json.decode(first.event_json), json.decode(second.event_json)
    params, others = event["params"], following["params"]
    if {**params, "delta": ""} != {**others, "delta": ""}:
        return None
    params["delta"] += others["delta"]
    data = {**json.decode(first.data_json), "text": params["delta"]}
    return BackendEvent(first.event_type, json.encode(event), first.kind, json.encode(data))
