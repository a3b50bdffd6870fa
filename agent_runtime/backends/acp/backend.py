"""The `acp` backend."""

import shlex
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.acp.abilities import ALWAYS, PERHAPS
from agent_runtime.backends.acp.agent import CALLED, Agent, Launch
from agent_runtime.backends.acp.config import command
from agent_runtime.backends.acp.merging import merged
from agent_runtime.backends.acp.prompt import Prompt
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.cli_backend import CliBackend
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.errors import BackendUnusable, Refused
from agent_runtime.model import BackendEvent, Outcome, TurnEnd


class AcpBackend(CliBackend[Agent, Prompt]):
    """What the agent can do it says when it is started. Until then it may have all of it."""

    name: ClassVar[str] = "acp"

    def __init__(self, context: BackendContext, argv: Sequence[str]) -> None:
        super().__init__(CALLED, context)
        self._workspace = context.workspace
        self._launcher = Launch(argv, context)
        self._session_id = context.session_id
        self._capabilities = ALWAYS | PERHAPS

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

    def check_model(self, model: str) -> None:
        if self._cli is not None:
            self._cli.abilities.model_option(model)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def _launch(self) -> Agent:
        agent = await self._launcher.start(session_id=self._session_id)
        self._session_id = agent.session_id
        self._capabilities = agent.abilities.capabilities
        return agent

    async def _begin_session(self, cli: Agent, *, fork: bool) -> str:  # noqa: ARG002 - it cannot fork
        await cli.new_session()
        self._session_id = cli.session_id
        return cli.session_id

    async def _run(self, cli: Agent, message: Message, sink: TurnSink) -> TurnEnd:
        await sink.session(cli.session_id)
        lacking = [file for file in message.attachments if file.needs not in self._capabilities]
        if lacking:
            raise Refused(f"{lacking[0].filename}: the agent has no {lacking[0].needs!r}")
        await cli.use_model(self._model)
        prompt = Prompt(cli, sink, self._workspace)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        return await prompt.run(message)
