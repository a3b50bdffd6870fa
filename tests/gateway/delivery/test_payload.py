"""The bytes of a webhook."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.payload import build
from proto.agent.v1 import agent_pb2
from tests.gateway.delivery.events import event, final


def test_an_event_as_receivers_know_it() -> None:
    """Exactly the documented fields, and no others."""
    post = build("agent-1", event(seq=7))
    assert post.webhook_id == "agent-1_7"
    assert json.loads(post.body) == {
        "event_type": "agent.event",
        "agent_id": "agent-1",
        "request_id": "r1",
        "session_id": "s1",
        "seq": 7,
        "timestamp": "2023-11-14T22:13:20.123000Z",
        "agent_state": "processing",
        "event": {"type": "text", "text": "hi"},
        "backend": "command",
        "backend_event_type": "text",
        "kind": "text.delta",
        "data": {"text": "hi"},
    }


def test_a_final_has_an_id_of_its_own_and_its_outcome() -> None:
    """However a turn ends, its final can be told by its id and its fields."""
    usage = agent_pb2.Usage(input_tokens=3, output_tokens=4, cost_usd=0.5)
    post = build("agent-1", final(usage=usage))
    assert post.webhook_id == "agent-1_r1_final"
    told = json.loads(post.body)
    assert told["event_type"] == "agent.complete"
    assert told["is_final"] is True
    assert told["success"] is True
    assert told["outcome"] == "completed"
    assert told["usage"] == {"input_tokens": 3, "output_tokens": 4, "cost_usd": 0.5}
    assert "event" not in told


def test_an_interrupted_turn_is_no_success() -> None:
    """`success` is absent when false; the outcome says why."""
    interrupted = final(
        complete=agent_pb2.CompletePayload(success=False), outcome=agent_pb2.OUTCOME_INTERRUPTED
    )
    told = json.loads(build("a", interrupted).body)
    assert "success" not in told
    assert told["outcome"] == "interrupted"


def test_an_error_says_whether_it_can_be_recovered_from() -> None:
    """recoverable is the opposite of fatal."""
    failed = final(
        error=agent_pb2.ErrorPayload(code="PROMPT_ERROR", message="no", fatal=False),
        outcome=agent_pb2.OUTCOME_FAILED,
    )
    failed.ClearField("complete")
    failed.error.CopyFrom(agent_pb2.ErrorPayload(code="PROMPT_ERROR", message="no"))
    told = json.loads(build("a", failed).body)
    assert told["event_type"] == "agent.error"
    assert told["error"] == {"code": "PROMPT_ERROR", "message": "no", "recoverable": True}
    assert told["outcome"] == "failed"


def test_opencode_events_keep_their_older_name() -> None:
    """Receivers that read opencode_event_type go on to find it."""
    told = json.loads(build("a", event(backend="opencode")).body)
    assert told["opencode_event_type"] == told["backend_event_type"] == "text"


def test_event_json_goes_through_byte_for_byte() -> None:
    """Numbers, escapes and the order of keys are the CLI's own."""
    raw = b'{"b":1.0,"a":1e2,"t":"\\u00fc \\/","n":12345678901234567890}'
    payload = agent_pb2.EventPayload(event_type="x", event_json=raw)
    assert raw in build("a", event(event=payload)).body


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1},"agent_id":"somebody-else"',
        b'1,"is_final":true',
        b'{"a":1}}',
        b'{"a":',
        b"",
        b"nonsense",
        b'{"a":"\xff"}',
        b"[" * 500_000 + b"]" * 500_000,
    ],
    ids=range(8),
)
def test_an_agent_cannot_write_beside_its_event(raw: bytes) -> None:
    """Nothing an agent sends as JSON changes another field of what we sign."""
    payload = agent_pb2.EventPayload(event_type="x", event_json=raw, data_json=raw)
    told = json.loads(build("agent-1", event(event=payload)).body)
    assert told["event"] == {"type": "x", "truncated": True}
    assert "data" not in told
    assert told["agent_id"] == "agent-1"
    assert "is_final" not in told


@given(
    request_id=st.text(max_size=20),
    timestamp=st.integers(-(2**63), 2**63 - 1),
    state=st.integers(-(2**31), 2**31 - 1),
    outcome=st.integers(-(2**31), 2**31 - 1),
    seq=st.integers(0, 2**64 - 1),
    json_bytes=st.binary(max_size=40),
    cost=st.floats(),
    is_final=st.booleans(),
)
def test_whatever_an_agent_sends_makes_one_json_object(
    request_id: str,
    timestamp: int,
    state: int,
    outcome: int,
    seq: int,
    json_bytes: bytes,
    cost: float,
    is_final: bool,
) -> None:
    """No value of any field stops a delivery."""
    hostile = agent_pb2.AgentResponse(
        request_id=request_id,
        timestamp=timestamp,
        state=state,  # type: ignore[arg-type]  # numbers that no version knows
        outcome=outcome,  # type: ignore[arg-type]  # ditto
        seq=seq,
        is_final=is_final,
        event=agent_pb2.EventPayload(event_json=json_bytes, data_json=json_bytes),
        usage=agent_pb2.Usage(cost_usd=cost),
    )
    told = json.loads(build("a", hostile).body)
    assert told["agent_id"] == "a"
    assert told["seq"] == seq
