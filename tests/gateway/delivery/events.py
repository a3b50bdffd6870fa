"""Events as an agent sends them."""

from typing import Any

from proto.agent.v1 import agent_pb2


def event(request_id: str = "r1", seq: int = 1, **fields: Any) -> agent_pb2.AgentResponse:
    """A text delta, or what the fields say."""
    given: dict[str, Any] = {
        "event": agent_pb2.EventPayload(
            event_type="text",
            event_json=b'{"type":"text","text":"hi"}',
            kind="text.delta",
            data_json=b'{"text":"hi"}',
        ),
        "session_id": "s1",
        "timestamp": 1_700_000_000_123,
        "state": agent_pb2.AGENT_STATE_PROCESSING,
        "backend": "command",
    }
    return agent_pb2.AgentResponse(request_id=request_id, seq=seq, **(given | fields))


def final(request_id: str = "r1", seq: int = 9, **fields: Any) -> agent_pb2.AgentResponse:
    """A turn's good end, or what the fields say."""
    given: dict[str, Any] = {
        "complete": agent_pb2.CompletePayload(success=True),
        "session_id": "s1",
        "timestamp": 1_700_000_000_456,
        "state": agent_pb2.AGENT_STATE_IDLE,
        "backend": "command",
        "is_final": True,
        "outcome": agent_pb2.OUTCOME_COMPLETED,
    }
    return agent_pb2.AgentResponse(request_id=request_id, seq=seq, **(given | fields))
