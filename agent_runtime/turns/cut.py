"""What is left of an event that is too large for the journal. No I/O."""

import msgspec

from agent_runtime.model import BackendEvent

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""Of an event's own JSON, and of its data."""
MAX_FIELD_BYTES = 64 * 1024
"""Of a field of data that is cut; of texts, characters."""

_QUOTE = b'"'


def event_json(event: BackendEvent) -> bytes:
    """The CLI's own JSON; of a larger one its type."""
    if len(event.event_json) <= MAX_EVENT_BYTES:
        return event.event_json
    return msgspec.json.encode({"type": event.event_type, "truncated": True})


def data_json(event: BackendEvent) -> bytes:
    """The data of its kind; of a larger one what is small, and the beginnings of texts."""
    if len(event.data_json) <= MAX_EVENT_BYTES:
        return event.data_json
    fields = msgspec.json.decode(event.data_json, type=dict[str, msgspec.Raw])
    kept = {name: _beginning(value) for name, value in fields.items() if _can_stay(value)}
    return msgspec.json.encode({**kept, "truncated": True})


def _can_stay(value: msgspec.Raw) -> bool:
    return len(value) <= MAX_FIELD_BYTES or bytes(memoryview(value)[:1]) == _QUOTE


def _beginning(value: msgspec.Raw) -> msgspec.Raw | str:
    if len(value) <= MAX_FIELD_BYTES:
        return value
    return msgspec.json.decode(value, type=str)[:MAX_FIELD_BYTES]
