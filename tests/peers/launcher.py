"""A launcher that knows the agents it is told of; they run wherever the test says."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.errors import Conflict, NotFound, Unavailable
from gateway.launchers.notes import Notes
from gateway.model import Agent, AgentSpec


def agent(agent_id: str, *, key_id: str, user_id: str = "u1") -> Agent:
    return Agent(
        agent_id=agent_id,
        user_id=user_id,
        backend="command",
        pod_name=f"{user_id}-{agent_id}",
        pod_ip="127.0.0.1",
        phase="Running",
        ready=True,
        created_at=datetime(2025, 1, 1, tzinfo=UTC),
        key_id=key_id,
    )


class ScriptedLauncher:
    """`targets`: where each agent is reached; an agent without one does not come up."""

    def __init__(self) -> None:
        self.agents: dict[str, Agent] = {}
        self.targets: dict[str, str] = {}
        self.reached: list[str] = []
        self.retirements: list[str] = []
        self.nudge_bind = "127.0.0.1:0"
        self.notes: Notes | None = None

    def add(self, added: Agent, target: str) -> None:
        self.agents[added.agent_id] = added
        self.targets[added.agent_id] = target

    async def start(self) -> None:
        """Nothing to adopt."""

    async def close(self) -> None:
        """Nothing to end."""

    async def create(self, spec: AgentSpec, *, wait_s: float) -> Agent:
        if spec.agent_id in self.agents:
            raise Conflict(f"there is an agent {spec.agent_id}, after {wait_s} s too")
        made = agent(spec.agent_id, key_id="k1", user_id=spec.user_id)
        self.agents[spec.agent_id] = made
        return made

    async def get(self, agent_id: str) -> Agent:
        if agent_id not in self.agents:
            raise NotFound(f"there is no agent {agent_id}")
        return self.agents[agent_id]

    async def list(self, user_id: str | None = None) -> Sequence[Agent]:
        return [known for known in self.agents.values() if user_id in (None, known.user_id)]

    async def reach(self, agent_id: str, *, timeout_s: float) -> str:
        self.reached.append(agent_id)
        if agent_id in self.targets:
            return self.targets[agent_id]
        if agent_id in self.agents:
            raise Unavailable(f"agent {agent_id} was not up within {timeout_s:g} s")
        raise NotFound(f"there is no agent {agent_id}")

    async def delete(self, agent_id: str) -> None:
        if self.agents.pop(agent_id, None) is None:
            raise NotFound(f"there is no agent {agent_id}")

    async def retired(self, agent_id: str) -> None:
        self.retirements.append(agent_id)
