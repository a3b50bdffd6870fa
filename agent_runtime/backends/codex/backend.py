"""The `codex` backend."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.binary import Installed
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.cli_backend import CliBackend
from agent_runtime.backends.codex import history, threads
from agent_runtime.backends.codex.cli import PROGRAM, Cli, Launch
from agent_runtime.backends.codex.config import LOGIN, has_credentials
from agent_runtime.backends.codex.merging import merged
from agent_runtime.backends.codex.prompt import Prompt
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.model import BackendEvent, Outcome, TurnEnd


class CodexBackend(CliBackend[Cli, Prompt]):
    """The session is the CLI's thread; a new process takes it up again, also that of the
    next runtime, as long as the CLI still knows it.
    """

    name: ClassVar[str] = "codex"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PERMISSIONS,
            Capability.QUESTIONS,
            Capability.ATTACH_IMAGE,
            Capability.ATTACH_TEXT,
            Capability.SET_MODEL,
            Capability.SET_PERMISSION_MODE,
            Capability.STEER,
            Capability.NEW_SESSION,
            Capability.FORK,
            Capability.RESUME,
            Capability.HISTORY,
            Capability.REASONING,
            Capability.USAGE,
        }
    )

    def __init__(self, context: BackendContext, binary: str) -> None:
        super().__init__(PROGRAM.name, context, Installed(PROGRAM, binary))
        self._workspace = context.workspace
        self._launcher = Launch(binary, context)
        self._session_id = context.session_id

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        return PROGRAM.probe(env, has_credentials=has_credentials, login=LOGIN)

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, PROGRAM.find(context.options, context.env))

    async def steer(self, message: Message) -> bool:
        prompt = self._running.prompt
        return prompt is not None and await prompt.steer(message)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def _launch(self) -> Cli:
        cli = await self._launcher.start(session_id=self._session_id)
        self._session_id = cli.thread_id
        return cli

    async def _begin_session(self, cli: Cli, *, fork: bool) -> str:
        if fork and not cli.empty:
            made = await threads.fork(cli.lines, self._workspace, cli.thread_id)
        else:
            made = await threads.begin(cli.lines, self._workspace)
            cli.empty = True
        self._session_id = cli.thread_id = made
        return made

    async def _recall(self, cli: Cli, wanted: Bookmarks) -> Mapping[str, Recalled]:
        return await history.recall(cli.lines, wanted)

    async def _known_models(self, cli: Cli) -> Sequence[str]:
        return await cli.models()

    async def _run(self, cli: Cli, message: Message, sink: TurnSink) -> TurnEnd:
        await sink.session(cli.thread_id)
        prompt = Prompt(cli, sink, self._workspace)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        return await prompt.run(message, self._model)
