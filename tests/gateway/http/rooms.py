"""The rooms behind the HTTP door, scripted: agents in memory, commands that are remembered."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.errors import Conflict, GatewayError, NotFound, UnknownBackend
from gateway.model import (
    Accepted,
    Agent,
    AgentSpec,
    Delivery,
    Diff,
    Event,
    File,
    LiveStatus,
    MessagePage,
    OpenPrompt,
    Page,
    Policy,
    Reply,
    Stretch,
    Target,
    TurnPage,
    TurnReport,
    Usage,
)

NOTHING = Diff(text="", files=(), truncated=False, turns=(), since=None, until=None)


@dataclass
class ScriptedLauncher:
    """Agents in a dict. `failure`: raised by the next create instead of making one."""

    agents: dict[str, Agent] = field(default_factory=dict)
    specs: list[AgentSpec] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    failure: Exception | None = None
    nudge_bind: str = ""
    notes: None = None

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def create(self, spec: AgentSpec, *, wait_s: float) -> Agent:
        self.specs.append(spec)
        self.waits_s.append(wait_s)
        if self.failure is not None:
            raise self.failure
        if spec.backend not in ("command", "opencode"):
            raise UnknownBackend(f"backend: {spec.backend} is not installed; command is")
        return self.add(spec.agent_id, spec.user_id, backend=spec.backend)

    def add(
        self, agent_id: str, user_id: str, *, backend: str = "command", ready: bool = True
    ) -> Agent:
        agent = Agent(
            agent_id=agent_id,
            user_id=user_id,
            backend=backend,
            pod_name=f"u-{agent_id}",
            pod_ip="127.0.0.1",
            phase="Running" if ready else "Pending",
            ready=ready,
            created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            key_id="k1",
            reason="" if ready else "Starting",
            message="" if ready else "it is being started",
        )
        self.agents[agent_id] = agent
        return agent

    async def get(self, agent_id: str) -> Agent:
        if agent_id not in self.agents:
            raise NotFound(f"there is no agent {agent_id}")
        return self.agents[agent_id]

    async def list(self, user_id: str | None = None) -> Sequence[Agent]:
        return [a for a in self.agents.values() if user_id in (None, a.user_id)]

    async def reach(self, agent_id: str, *, timeout_s: float) -> str:
        await self.get(agent_id)
        assert timeout_s > 0
        return f"unix:/run/{agent_id}.sock"

    async def delete(self, agent_id: str) -> None:
        await self.get(agent_id)
        del self.agents[agent_id]

    async def retired(self, agent_id: str) -> None:
        """Nothing is left."""


@dataclass
class ScriptedCommands:
    """Remembers commands by id. `failure`: raised instead; `hold`: awaited first."""

    sent: list[dict[str, object]] = field(default_factory=list)
    failure: Exception | None = None
    hold: asyncio.Event | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)

    async def message(
        self,
        agent: Agent,
        request_id: str,
        content: str,
        *,
        timeout_ms: int = 0,
        policy: Policy | None = None,
        files: Sequence[File] = (),
        now: bool = False,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        said: dict[str, object] = {
            "content": content,
            "timeout_ms": timeout_ms,
            "target": target,
            "policy": policy,
        }
        if files:
            said["files"] = files
        if now:
            said["now"] = now
        return await self._accept(agent.agent_id, request_id, **said, delivery=delivery)

    async def interrupt(
        self,
        agent: Agent,
        request_id: str,
        *,
        turn: str = "",
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        return await self._accept(
            agent.agent_id, request_id, turn=turn, target=target, delivery=delivery
        )

    async def new_session(
        self,
        agent: Agent,
        request_id: str,
        *,
        fork: bool,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        return await self._accept(
            agent.agent_id, request_id, fork=fork, target=target, delivery=delivery
        )

    async def set_model(self, agent: Agent, request_id: str, model: str) -> Accepted:
        return await self._accept(agent.agent_id, request_id, model=model)

    async def set_permission_mode(self, agent: Agent, request_id: str, mode: str) -> Accepted:
        return await self._accept(agent.agent_id, request_id, mode=mode)

    async def set_policy(self, agent: Agent, request_id: str, policy: Policy) -> Accepted:
        return await self._accept(agent.agent_id, request_id, policy=policy)

    async def reply(
        self,
        agent: Agent,
        request_id: str,
        reply: Reply,
        *,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        return await self._accept(
            agent.agent_id, request_id, reply=reply, target=target, delivery=delivery
        )

    async def _accept(self, agent_id: str, request_id: str, **said: object) -> Accepted:
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure
        command = {"agent_id": agent_id, "request_id": request_id, **said}
        before = [c for c in self.sent if c["request_id"] == request_id]
        if before and before[0].get("content") != said.get("content"):
            raise Conflict(f"request_id {request_id} has been used for other content")
        self.sent.append(command)
        return Accepted(request_id=request_id, replayed=bool(before))


@dataclass
class ScriptedLifecycle:
    """Deletes in the launcher. `failure`: raised by status."""

    launcher: ScriptedLauncher
    deleted: list[tuple[str, bool]] = field(default_factory=list)
    failure: GatewayError | None = None
    opened: list[OpenPrompt] = field(default_factory=list)

    async def prompts(self, agent: Agent) -> Sequence[OpenPrompt]:
        return self.opened

    async def status(self, agent: Agent) -> LiveStatus:
        assert agent.ready
        if self.failure is not None:
            raise self.failure
        return LiveStatus(
            session_id="ses_1",
            state="processing",
            latest_seq=7,
            current_model="",
            permission_mode="acceptEdits",
            uptime_ms=1234,
            capabilities=("permissions", "usage"),
            usage=Usage(input_tokens=7, output_tokens=8, cost_usd=0.5),
            policy=Policy(rules=(("web*", "deny"),), timeout_ms=1500),
        )

    async def delete(self, agent_id: str, *, graceful: bool) -> None:
        self.deleted.append((agent_id, graceful))
        await self.launcher.delete(agent_id)

    def client_token(self, agent: Agent) -> str:
        return f"token-of-{agent.agent_id}"


@dataclass
class ScriptedDiffs:
    """Tells what it is given. `failure`: raised instead."""

    told: Diff = NOTHING
    asked: list[str] = field(default_factory=list)
    failure: GatewayError | None = None

    async def diff(self, agent: Agent, request_id: str = "") -> Diff:
        if self.failure is not None:
            raise self.failure
        self.asked.append(request_id)
        return self.told


@dataclass
class ScriptedHistory:
    """Tells `said`, two at a time. `asked`: cursors and limits."""

    said: list[bytes] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)
    failure: GatewayError | None = None

    async def messages(self, agent: Agent, *, cursor: str, limit: int) -> MessagePage:
        if self.failure is not None:
            raise self.failure
        self.asked.append((cursor, limit))
        return MessagePage(messages=tuple(self.said[-2:]), next_cursor="7")

    async def export(self, agent: Agent) -> AsyncGenerator[Sequence[bytes], None]:
        if self.failure is not None:
            raise self.failure
        for start in range(0, len(self.said), 2):
            yield self.said[start : start + 2]


@dataclass
class ScriptedReadBack:
    """Tells what it is given. `failure`: raised instead.

    `following`: what a stream tells, list by list; an error breaks it off, None ends it.
    `over`: there is nothing to follow. `taken`: lists that have been read.
    """

    reports: list[TurnReport] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    following: asyncio.Queue[Sequence[Event] | Exception | None] = field(
        default_factory=asyncio.Queue
    )
    over: bool = False
    failure: Exception | None = None
    asked: list[tuple[Stretch, int]] = field(default_factory=list)
    redeliveries: list[tuple[str, int, Target | None, str]] = field(default_factory=list)
    taken: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def turns(self, agent: Agent, *, before: str = "") -> TurnPage:
        self._fail()
        names = [report.request_id for report in self.reports]
        end = names.index(before) if before else len(names)
        return TurnPage(turns=tuple(self.reports[max(end - 2, 0) : end]), more=end > 2)

    async def turn(self, agent: Agent, request_id: str) -> TurnReport:
        self._fail()
        for report in self.reports:
            if report.request_id == request_id:
                return report
        raise NotFound(f"agent {agent.agent_id} knows no turn {request_id}")

    async def redeliver(
        self,
        agent: Agent,
        request_id: str,
        *,
        from_seq: int = 0,
        target: Target | None = None,
        secret: str = "",
    ) -> int:
        await self.turn(agent, request_id)
        self.redeliveries.append((request_id, from_seq, target, secret))
        return 1 + len(self.redeliveries)

    async def page(self, agent: Agent, stretch: Stretch, *, limit: int) -> Page:
        self._fail()
        self.asked.append((stretch, limit))
        found = [event for event in self.events if event.seq > (stretch.after_seq or 0)]
        return Page(events=tuple(found[:limit]), more=len(found) > limit)

    async def follow(
        self, agent: Agent, stretch: Stretch
    ) -> AsyncGenerator[Sequence[Event], None] | None:
        self._fail()
        self.asked.append((stretch, 0))
        return None if self.over else self._follow()

    async def _follow(self) -> AsyncGenerator[Sequence[Event], None]:
        try:
            while events := await self.following.get():
                if isinstance(events, Exception):
                    raise events
                self.taken += 1
                yield events
        finally:
            self.closed.set()

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure
