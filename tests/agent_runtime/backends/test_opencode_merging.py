"""Merging of OpenCode's deltas."""

import msgspec

from agent_runtime.backends.opencode.merging import merged
from agent_runtime.model import BackendEvent, Kind


def delta(text: str, part: str = "p1", kind: Kind = Kind.TEXT_DELTA) -> BackendEvent:
    properties = {
        "sessionID": "s1",
        "messageID": "m1",
        "partID": part,
        "field": "text",
        "delta": text,
        "later": {"kept": True},
    }
    told = {"id": "e1", "type": "message.part.delta", "properties": properties}
    data = {"text": text, "part_id": part, "subagent": "s1"}
    return BackendEvent(
        "message.part.delta", msgspec.json.encode(told), kind, msgspec.json.encode(data)
    )


def test_a_merged_delta_is_the_first_with_more_text() -> None:
    """Everything else that the CLI said stays as it was."""
    both = merged(delta("one "), delta("two"))
    assert both == delta("one two")


def test_parts_are_not_mixed() -> None:
    """Nor anything else with a delta."""
    other = BackendEvent("message.part.updated", b"{}", Kind.TEXT_DELTA)
    assert merged(delta("one"), delta("two", "p2")) is None
    assert merged(delta("one"), other) is None
    assert merged(other, delta("one")) is None
