"""Two neighbouring deltas of a part as the one that the CLI might have sent instead."""

from typing import Any

import msgspec

from agent_runtime.model import BackendEvent, Kind

_DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)


def merged(first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
    """The first one with the second's text behind its own; None when their parts differ."""
    if first.kind not in _DELTAS or first.event_type != second.event_type:
        return None
    event, following = _json(first.event_json), _json(second.event_json)
    params, others = event["params"], following["params"]
    if {**params, "delta": ""} != {**others, "delta": ""}:
        return None
    params["delta"] += others["delta"]
    data = {**_json(first.data_json), "text": params["delta"]}
    return BackendEvent(
        first.event_type, msgspec.json.encode(event), first.kind, msgspec.json.encode(data)
    )


def _json(encoded: bytes) -> dict[str, Any]:
    """Of an event that was understood as a delta, so that its shape is known."""
    read: dict[str, Any] = msgspec.json.decode(encoded)
    return read
