"""The bytes of a webhook: built once for each event, then signed and sent as they are.

The CLI's JSON goes through as raw bytes. It is only skipped over to see that it
is one JSON value: the runtime sits in the agent's sandbox, and text that broke
out of its field would put words of its own under our signature.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway.model import Outcome
from proto.agent.v1 import agent_pb2

_STATES = {
    agent_pb2.AGENT_STATE_IDLE: "idle",
    agent_pb2.AGENT_STATE_PROCESSING: "processing",
    agent_pb2.AGENT_STATE_ERROR: "error",
}
OUTCOMES: dict[int, Outcome] = {
    agent_pb2.OUTCOME_COMPLETED: "completed",
    agent_pb2.OUTCOME_INTERRUPTED: "interrupted",
    agent_pb2.OUTCOME_FAILED: "failed",
    agent_pb2.OUTCOME_TIMED_OUT: "timed_out",
    agent_pb2.OUTCOME_LOST: "lost",
}
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999, the last that RFC 3339 can write."""

_one_value = msgspec.json.Decoder(Raw)


class Post(msgspec.Struct, frozen=True):
    """One event as it is posted. The id never changes, whoever posts it, however often."""

    webhook_id: str
    body: bytes


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str
    recoverable: bool


class _Usage(msgspec.Struct, frozen=True):
    input_tokens: int
    output_tokens: int
    cost_usd: float | UnsetType = UNSET


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    event_type: str
    agent_id: str
    request_id: str
    session_id: str
    seq: int
    timestamp: datetime
    is_final: bool = False
    success: bool = False
    agent_state: str | UnsetType = UNSET
    event: Raw | UnsetType = UNSET
    opencode_event_type: str | UnsetType = UNSET
    error: _Error | UnsetType = UNSET
    backend: str = ""
    backend_event_type: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    outcome: str | UnsetType = UNSET
    usage: _Usage | UnsetType = UNSET


def build(agent_id: str, response: agent_pb2.AgentResponse) -> Post:
    """The post of one event. Never raises, whatever the runtime sent."""
    final = response.is_final
    event_type, fields = _content(response)
    if final:
        fields |= _final_fields(response)
    payload = _Payload(
        event_type=event_type,
        agent_id=agent_id,
        request_id=response.request_id,
        session_id=response.session_id,
        seq=response.seq,
        timestamp=moment(response.timestamp),
        is_final=final,
        agent_state=_STATES.get(response.state, "unknown"),
        backend=response.backend,
        **fields,
    )
    suffix = f"{response.request_id}_final" if final else response.seq
    return Post(f"{agent_id}_{suffix}", msgspec.json.encode(payload))


def unfinished(
    agent_id: str, request_id: str, *, code: str, message: str, at_ms: int, outcome: Outcome
) -> Post:
    """The final of a turn whose agent cannot tell it any more: made of these facts alone, so
    that whoever posts it posts the same bytes."""
    payload = _Payload(
        event_type="agent.error",
        agent_id=agent_id,
        request_id=request_id,
        session_id="",
        seq=0,
        timestamp=moment(at_ms),
        is_final=True,
        error=_Error(code, message, recoverable=False),
        outcome=outcome,
    )
    return Post(f"{agent_id}_{request_id}_final", msgspec.json.encode(payload))


def together(posts: Sequence[Post]) -> Post:
    """Several posts of a turn as one batch, under the id of the last."""
    return Post(posts[-1].webhook_id, b'{"events":[' + b",".join(p.body for p in posts) + b"]}")


def _content(response: agent_pb2.AgentResponse) -> tuple[str, dict[str, Any]]:
    which = response.WhichOneof("payload")
    if which == "complete":
        return "agent.complete", {"success": response.complete.success}
    if which == "error":
        error = response.error
        told = _Error(error.code, error.message, not error.fatal)
        return "agent.error", {"error": told}
    return "agent.event", _event_fields(response.event, response.backend)


def _event_fields(event: agent_pb2.EventPayload, backend: str) -> dict[str, Any]:
    name = event.event_type
    fields: dict[str, Any] = {
        "event": _raw(event.event_json) or _only_type(name),
        "backend_event_type": name,
        "kind": event.kind or "other",
    }
    if backend == "opencode":
        fields["opencode_event_type"] = name
    if data := _raw(event.data_json):
        fields["data"] = data
    return fields


def _final_fields(response: agent_pb2.AgentResponse) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if outcome := OUTCOMES.get(response.outcome):
        fields["outcome"] = outcome
    if response.HasField("usage"):
        usage = response.usage
        cost = usage.cost_usd if usage.HasField("cost_usd") else UNSET
        fields["usage"] = _Usage(usage.input_tokens, usage.output_tokens, cost)
    return fields


def _raw(json: bytes) -> Raw | None:
    """Exactly one JSON value as it stands; None for none, or for anything else."""
    try:
        if not json.isascii():
            json.decode()
        return _one_value.decode(json) if json else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _only_type(event_type: str) -> Raw:
    """What stands for an event that cannot be passed on, as for one that is too large."""
    return Raw(msgspec.json.encode({"type": event_type, "truncated": True}))


def moment(unix_ms: int) -> datetime:
    """As payloads tell it; what cannot be told becomes the nearest that can."""
    return datetime.fromtimestamp(min(max(unix_ms, 0), _LAST_MS) / 1000, UTC)
