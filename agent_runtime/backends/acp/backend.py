"""The `acp` backend."""

import shlex
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.acp.abilities import ALWAYS, PERHAPS
from agent_runtime.backends.acp.agent import Agent, Launch
from agent_runtime.backends.acp.config import command
from agent_runtime.backends.acp.merging import merged
from agent_runtime.backends.acp.prompt import Prompt
from agent_runtime.backends.acp.rpc import Refused
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.running import Running
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import BackendEvent, Code, Outcome, TurnEnd


class AcpBackend:
    """Owned by the task that runs turns. `interrupt` and `stop` may come from another.

    What the agent can do it says when it is started. Until then it may have all of it.
    """

    name: ClassVar[str] = "acp"

    def __init__(self, context: BackendContext, argv: Sequence[str]) -> None:
        PermissionMode.parse(context.permission_mode)
        self._workspace = context.workspace
        self._model = context.model
        self._launch = Launch(
            argv=argv,
            workspace=context.workspace,
            home=context.home,
            env=context.env,
            processes=context.processes,
        )
        self._session_id = context.session_id
        self._capabilities = ALWAYS | PERHAPS
        self._agent: Agent | None = None
        self._running: Running[Prompt] = Running()

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        """Whether the command's program is there; what it can do, only its start would tell."""
        try:
            argv = command(env, env)
        except BackendUnusable as error:
            return Usability(usable=False, detail=str(error))
        return Usability(usable=True, detail=f"runs {shlex.join(argv)}")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, command(context.options, context.env))

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._capabilities

    async def start(self) -> None:
        with self._running.entered():
            await self._end_agent()
            agent = await self._launch.start(session_id=self._session_id)
        self._agent = agent
        self._session_id = agent.session_id
        self._capabilities = agent.abilities.capabilities

    @property
    def running(self) -> bool:
        return self._agent is not None and self._agent.lines.running

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        agent = self._agent
        if agent is None:
            raise BackendCrashed("the agent is not running")
        with self._running.entered():
            try:
                return await self._run(agent, message, sink)
            except Refused as refused:
                return TurnEnd(outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message=str(refused))
            except BackendCrashed as crash:
                return await self._crashed(agent, crash)

    async def interrupt(self) -> None:
        await self._running.interrupt()

    async def steer(self, message: Message) -> bool:  # noqa: ARG002 - it has no such capability
        return False

    async def new_session(self, *, fork: bool) -> str:  # noqa: ARG002 - it cannot fork
        agent = self._agent
        if agent is None:
            raise BackendCrashed("the agent is not running")
        try:
            await agent.new_session()
        except Refused as refused:
            raise BackendCrashed(str(refused)) from refused
        self._session_id = agent.session_id
        return agent.session_id

    def check_model(self, model: str) -> None:
        if self._agent is not None:
            self._agent.abilities.check_model(model)

    async def set_model(self, model: str) -> None:
        self.check_model(model)
        self._model = model

    async def set_permission_mode(self, mode: str) -> None:
        """The runtime's own part answers by it; the agent asks as it always does."""
        PermissionMode.parse(mode)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def stop(self) -> None:
        self._running.halt()
        await self._end_agent()

    async def _run(self, agent: Agent, message: Message, sink: TurnSink) -> TurnEnd:
        await sink.session(agent.session_id)
        lacking = [file for file in message.attachments if file.needs not in self._capabilities]
        if lacking:
            raise Refused(f"{lacking[0].filename}: the agent has no {lacking[0].needs!r}")
        await agent.use_model(self._model)
        prompt = Prompt(agent, sink, self._workspace)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        return await prompt.run(message)

    async def _crashed(self, agent: Agent, crash: BackendCrashed) -> TurnEnd:
        """Whatever is left of it is in an unknown state, so it goes."""
        epitaph = await agent.lines.epitaph()
        await self._end_agent()
        if self._running.halted:
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        raise BackendCrashed(f"{crash}; {epitaph}") from crash

    async def _end_agent(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            await agent.lines.end()
