"""The `codex` backend."""

from collections.abc import Mapping
from typing import ClassVar, Self

from agent_runtime.backends.binary import version
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.codex import threads
from agent_runtime.backends.codex.cli import PROGRAM, Cli, Launch
from agent_runtime.backends.codex.config import Home, has_credentials
from agent_runtime.backends.codex.merging import merged
from agent_runtime.backends.codex.prompt import Prompt
from agent_runtime.backends.codex.rpc import Refused
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.running import Running
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import BackendEvent, Outcome, TurnEnd


class CodexBackend:
    """Owned by the task that runs turns. `interrupt` and `stop` may come from another.

    The session is the CLI's thread; a new process takes it up again, also that of the
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
            Capability.REASONING,
            Capability.USAGE,
        }
    )

    def __init__(self, context: BackendContext, binary: str) -> None:
        PermissionMode.parse(context.permission_mode)
        self._workspace = context.workspace
        self._model = context.model
        self._launch = Launch(
            binary=binary,
            workspace=context.workspace,
            home=Home(context.home),
            env=context.env,
            processes=context.processes,
        )
        self._session_id = context.session_id
        self._cli: Cli | None = None
        self._running: Running[Prompt] = Running()

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        """Whether the binary answers, and has something to log in to a model with."""
        try:
            found = PROGRAM.check(version(PROGRAM.find(env, env), env))
        except BackendUnusable as error:
            return Usability(usable=False, detail=str(error))
        if not has_credentials(env):
            detail = (
                f"codex {found} has no credentials: run `codex login`, set OPENAI_API_KEY, "
                "or name a provider in ~/.codex/config.toml"
            )
            return Usability(usable=False, detail=detail)
        return Usability(usable=True, detail=f"codex {found}")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, PROGRAM.find(context.options, context.env))

    async def start(self) -> None:
        with self._running.entered():
            await self._end_cli()
            self._cli = await self._launch.start(session_id=self._session_id)
            self._session_id = self._cli.thread_id

    @property
    def running(self) -> bool:
        return self._cli is not None and self._cli.lines.running

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        cli = self._cli
        if cli is None:
            raise BackendCrashed("codex is not running")
        with self._running.entered():
            try:
                return await self._run(cli, message, sink)
            except BackendCrashed as crash:
                return await self._crashed(cli, crash)

    async def interrupt(self) -> None:
        await self._running.interrupt()

    async def steer(self, message: Message) -> bool:
        prompt = self._running.prompt
        return prompt is not None and await prompt.steer(message)

    async def new_session(self, *, fork: bool) -> str:
        cli = self._cli
        if cli is None:
            raise BackendCrashed("codex is not running")
        try:
            if fork:
                made = await threads.fork(cli.lines, self._workspace, cli.thread_id)
            else:
                made = await threads.begin(cli.lines, self._workspace)
        except Refused as refused:
            raise BackendCrashed(str(refused)) from refused
        self._session_id = cli.thread_id = made
        return made

    def check_model(self, model: str) -> None:
        """The CLI lists none."""

    async def set_model(self, model: str) -> None:
        """Whether there is such a model, only the provider knows; the turn then says so."""
        self._model = model

    async def set_permission_mode(self, mode: str) -> None:
        """The runtime's own part answers by it; the CLI always asks."""
        PermissionMode.parse(mode)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def stop(self) -> None:
        self._running.halt()
        await self._end_cli()

    async def _run(self, cli: Cli, message: Message, sink: TurnSink) -> TurnEnd:
        await sink.session(cli.thread_id)
        prompt = Prompt(cli, sink, self._workspace)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        return await prompt.run(message, self._model)

    async def _crashed(self, cli: Cli, crash: BackendCrashed) -> TurnEnd:
        """Whatever is left of it is in an unknown state, so it goes."""
        epitaph = await cli.lines.epitaph()
        await self._end_cli()
        if self._running.halted:
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        raise BackendCrashed(f"{crash}; {epitaph}") from crash

    async def _end_cli(self) -> None:
        cli, self._cli = self._cli, None
        if cli is not None:
            await cli.lines.end()
