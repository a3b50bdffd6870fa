"""The `claude_code` backend."""

import uuid
from collections.abc import Mapping
from typing import ClassVar, Self

from agent_runtime.backends.binary import version
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.claude_code.cli import PROGRAM, Cli, Launch, Refused, Session
from agent_runtime.backends.claude_code.config import Home, has_credentials
from agent_runtime.backends.claude_code.merging import merged
from agent_runtime.backends.claude_code.prompt import Prompt
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.running import Running
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import BackendEvent, Code, Outcome, TurnEnd


class ClaudeCodeBackend:
    """Owned by the task that runs turns. `interrupt` and `stop` may come from another.

    The session is the CLI's; a new process takes it up again, also that of the next
    runtime, as long as the CLI still knows it.
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
            Capability.REASONING,
            Capability.USAGE,
            Capability.COST,
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
        self._session = Session(context.session_id)
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
                f"claude {found} has no credentials: run `claude` and log in, or set "
                "ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token`)"
            )
            return Usability(usable=False, detail=detail)
        return Usability(usable=True, detail=f"claude {found}")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, PROGRAM.find(context.options, context.env))

    async def start(self) -> None:
        with self._running.entered():
            await self._end_cli()
            self._cli = await self._launch.start(model=self._model, session=self._session)

    @property
    def running(self) -> bool:
        return self._cli is not None and self._cli.lines.running

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        cli = self._cli
        if cli is None:
            raise BackendCrashed("claude is not running")
        with self._running.entered():
            try:
                return await self._run(cli, message, sink)
            except Refused as refused:
                return TurnEnd(outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message=str(refused))
            except BackendCrashed as crash:
                return await self._crashed(cli, crash)

    async def interrupt(self) -> None:
        await self._running.interrupt()

    async def steer(self, message: Message) -> bool:  # noqa: ARG002 - it has no such capability
        return False

    async def new_session(self, *, fork: bool) -> str:
        """The CLI is started anew for the next prompt; of a fresh one it then tells the id."""
        await self._end_cli()
        self._session = Session(str(uuid.uuid4()), self._session.id) if fork else Session()
        return self._session.id

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
        await cli.use_model(self._model)
        prompt = Prompt(cli, sink, self._workspace)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        try:
            return await prompt.run(message)
        finally:
            if prompt.session_id:
                self._session = Session(prompt.session_id)

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
