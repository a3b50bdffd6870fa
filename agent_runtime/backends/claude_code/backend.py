"""The `claude_code` backend."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.binary import Installed
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.claude_code import history
from agent_runtime.backends.claude_code.cli import PROGRAM, Cli, Launch
from agent_runtime.backends.claude_code.config import LOGIN, Home, has_credentials
from agent_runtime.backends.claude_code.merging import merged
from agent_runtime.backends.claude_code.planned import Planned
from agent_runtime.backends.claude_code.prompt import Prompt
from agent_runtime.backends.cli_backend import CliBackend
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.model import BackendEvent, Outcome, TurnEnd


class ClaudeCodeBackend(CliBackend[Cli, Prompt]):
    """The session is the CLI's; a new process takes it up again, also that of
    the next runtime, as long as the CLI still knows it.
    """

    name: ClassVar[str] = "claude_code"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PERMISSIONS,
            Capability.QUESTIONS,
            Capability.ATTACH_IMAGE,
            Capability.ATTACH_PDF,
            Capability.ATTACH_TEXT,
            Capability.SET_MODEL,
            Capability.SET_PERMISSION_MODE,
            Capability.NEW_SESSION,
            Capability.FORK,
            Capability.RESUME,
            Capability.HISTORY,
            Capability.REASONING,
            Capability.USAGE,
            Capability.COST,
        }
    )

    def __init__(self, context: BackendContext, binary: str) -> None:
        super().__init__(PROGRAM.name, context, Installed(PROGRAM, binary))
        self._workspace = context.workspace
        self._home = Home(context.home)
        self._planned = Planned(context.home)
        self._launcher = Launch(binary, context, self._planned)
        self._session_id = context.session_id

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        return PROGRAM.probe(env, has_credentials=has_credentials, login=LOGIN)

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, PROGRAM.find(context.options, context.env))

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        """From the CLI's file, whether it runs or not."""
        file = self._home.transcript(wanted.session_id)
        return await asyncio.to_thread(history.recall, file, wanted.places)

    async def _launch(self) -> Cli:
        return await self._launcher.start(model=self._model, session_id=self._session_id)

    async def _begin_session(self, cli: Cli, *, fork: bool) -> str:
        """The CLI is started anew for the next prompt, with the id that is chosen here."""
        await cli.end()
        self._session_id = self._planned.begin(self._session_id if fork else "")
        return self._session_id

    async def _known_models(self, cli: Cli) -> Sequence[str]:
        return cli.models

    async def _run(self, cli: Cli, message: Message, sink: TurnSink) -> TurnEnd:
        await cli.use_model(self._model)
        prompt = Prompt(cli, sink, self._workspace, self._home.transcript(self._session_id))
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        try:
            return await prompt.run(message)
        finally:
            if prompt.session_id:
                self._session_id = prompt.session_id
