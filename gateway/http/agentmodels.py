"""What is said about agents: bodies, queries and answers of the agents resource."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.http.bodies import Body
from gateway.http.forms import (
    BackendName,
    Flag,
    LabelName,
    LabelValue,
    ModelChange,
    ModelName,
    Owner,
    PermissionMode,
    VariableName,
    VariableValue,
)
from gateway.http.policy import PolicyAnswer, PolicyBody, shown
from gateway.model import Agent, LiveStatus, Phase, Usage

Env = Annotated[
    dict[VariableName, VariableValue],
    Meta(
        max_length=100,
        description="Environment of the agent's process; never shown again",
        extra_json_schema={"propertyNames": VariableName.schema()},
    ),
]
Labels = Annotated[
    dict[LabelName, LabelValue],
    Meta(
        max_length=50,
        description="Kept with the agent",
        extra_json_schema={"propertyNames": LabelName.schema()},
    ),
]


class CreateAgent(Body, frozen=True, kw_only=True):
    """An agent to be made. `owner_id` may be left out with an API key of one owner."""

    owner_id: Owner | UnsetType = UNSET
    backend: BackendName | UnsetType = UNSET
    model: ModelName | UnsetType = UNSET
    permission_mode: PermissionMode | UnsetType = UNSET
    policy: PolicyBody | UnsetType = UNSET
    env: Env | UnsetType = UNSET
    labels: Labels | UnsetType = UNSET


class ChangeAgent(Body, frozen=True, kw_only=True):
    """What holds from the next message on; what is left out stays."""

    model: ModelChange | UnsetType = UNSET
    permission_mode: PermissionMode | UnsetType = UNSET
    policy: PolicyBody | UnsetType = UNSET


class CreateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`wait=false`: answer before the agent is ready."""

    wait: Flag | UnsetType = UNSET


class OwnerQuery(msgspec.Struct, frozen=True, kw_only=True):
    user_id: Owner | UnsetType = UNSET


class ShowQuery(OwnerQuery, frozen=True, kw_only=True):
    """`refresh=true`: ask the agent itself, too."""

    refresh: Flag | UnsetType = UNSET


class DeleteQuery(OwnerQuery, frozen=True, kw_only=True):
    """`graceful=true`: the running turn may finish within 10 s."""

    graceful: Flag | UnsetType = UNSET


class UsageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`cost_usd`: where it is told."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | UnsetType = UNSET


class AgentAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent. Texts that would be empty are absent; the last nine come with `refresh=true`."""

    user_id: str
    agent_id: str
    pod_name: str = ""
    pod_ip: str = ""
    phase: Phase
    ready: bool
    created_at: datetime
    backend: str
    reason: Annotated[str, Meta(description="Why it is not ready, in one word")] = ""
    message: Annotated[str, Meta(description="Why it is not ready, in words")] = ""
    session_id: str = ""
    state: Literal["idle", "processing", "error", "unknown"] | UnsetType = UNSET
    latest_seq: int | UnsetType = UNSET
    current_model: str = ""
    permission_mode: str = ""
    uptime_ms: int | UnsetType = UNSET
    capabilities: Annotated[
        tuple[str, ...], Meta(description="What its backend can do, sorted")
    ] = ()
    usage: Annotated[UsageAnswer, Meta(description="Of all its turns together")] | UnsetType = UNSET
    policy: PolicyAnswer | UnsetType = UNSET


class AgentList(msgspec.Struct, frozen=True, kw_only=True):
    """Agents, oldest first."""

    agents: list[AgentAnswer]
    total: int


EXAMPLE = AgentAnswer(
    user_id="ada",
    agent_id="agt-5d0c9e9b7f3a41c8",
    pod_name="ada-agt-5d0c9e9b7f3a41c8",
    pod_ip="127.0.0.1",
    phase="Running",
    ready=True,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    backend="command",
)


def answer_of(agent: Agent, status: LiveStatus | None = None) -> AgentAnswer:
    """What is shown of an agent, with what it said of itself where it was asked."""
    live: dict[str, Any] = {}
    if status is not None:
        live = {name: getattr(status, name) for name in LiveStatus.__slots__}
        live |= {"usage": _usage(status.usage), "policy": shown(status.policy)}
    return AgentAnswer(
        user_id=agent.user_id,
        agent_id=agent.agent_id,
        pod_name=agent.pod_name,
        pod_ip=agent.pod_ip,
        phase=agent.phase,
        ready=agent.ready,
        created_at=agent.created_at.astimezone(UTC),
        backend=agent.backend,
        reason="" if agent.ready else agent.reason,
        message="" if agent.ready else agent.message,
        **live,
    )


def _usage(usage: Usage | None) -> UsageAnswer | UnsetType:
    if usage is None:
        return UNSET
    return UsageAnswer(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=UNSET if usage.cost_usd is None else usage.cost_usd,
    )
