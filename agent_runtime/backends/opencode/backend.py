"""The `opencode` backend."""

from collections.abc import Mapping
from typing import ClassVar, Self

from agent_runtime.backends.binary import Program, version
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.opencode.client import Client, Refused
from agent_runtime.backends.opencode.config import (
    Home,
    configuration,
    has_credentials,
)
from agent_runtime.backends.opencode.merging import merged
from agent_runtime.backends.opencode.models import Models
from agent_runtime.backends.opencode.prompt import Prompt
from agent_runtime.backends.opencode.server import Launch, Server
from agent_runtime.backends.opencode.turn import Session
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.running import Running
from agent_runtime.errors import BackendCrashed, BackendUnusable, Invalid
from agent_runtime.model import BackendEvent, Code, Outcome, TurnEnd

PROGRAM = Program(
    name="opencode",
    option="FORGE_OPENCODE_BIN",
    install="npm install -g opencode-ai@1.18.33",
    oldest="1.18",
    too_new="2",
)


class OpenCodeBackend:
    """Owned by the task that runs turns. `interrupt` and `stop` may come from another.

    The session is made with the first prompt and kept: a new process takes it up
    again, also that of the next runtime, as long as the CLI still knows it.
    """

    name: ClassVar[str] = "opencode"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {
            Capability.PERMISSIONS,
            Capability.QUESTIONS,
            Capability.ATTACH_IMAGE,
            Capability.ATTACH_PDF,
            Capability.ATTACH_TEXT,
            Capability.SET_MODEL,
            Capability.SET_PERMISSION_MODE,
            Capability.MODELS,
            Capability.NEW_SESSION,
            Capability.FORK,
            Capability.RESUME,
            Capability.REASONING,
            Capability.USAGE,
            Capability.COST,
        }
    )

    def __init__(self, context: BackendContext, binary: str) -> None:
        self._model = _checked_model(context.model) if context.model else ""
        PermissionMode.parse(context.permission_mode)
        self._launch = Launch(
            binary=binary,
            workspace=context.workspace,
            home=Home(context.home),
            env=context.env,
            processes=context.processes,
        )
        self._models = Models()
        self._known_session_id = context.session_id
        self._session: Session | None = None
        self._server: Server | None = None
        self._client: Client | None = None
        self._running: Running[Prompt] = Running()

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        """Whether the binary answers, and has something to log in to a model with."""
        try:
            found = PROGRAM.check(version(PROGRAM.find(env, env), env))
            configured = has_credentials(env)
        except BackendUnusable as error:
            return Usability(usable=False, detail=str(error))
        if not configured:
            detail = (
                f"opencode {found} has no credentials: run `opencode auth login`, "
                "or set ANTHROPIC_API_KEY or another provider's key"
            )
            return Usability(usable=False, detail=detail)
        return Usability(usable=True, detail=f"opencode {found}")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        try:
            configuration(context.env)
            return cls(context, PROGRAM.find(context.options, context.env))
        except Invalid as error:
            raise BackendUnusable(str(error)) from error

    async def start(self) -> None:
        with self._running.entered():
            await self._end_server()
            self._forget_session()
            self._server, self._client = await self._launch.start()
            self._models = await Models.told_by(self._client)

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.running

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        server, client = self._server, self._client
        if server is None or client is None:
            raise BackendCrashed("opencode is not running")
        with self._running.entered():
            try:
                return await self._run(client, message, sink)
            except Refused as refused:
                return TurnEnd(outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message=str(refused))
            except BackendCrashed as crash:
                return await self._crashed(server, crash)

    async def interrupt(self) -> None:
        await self._running.interrupt()

    async def steer(self, message: Message) -> bool:  # noqa: ARG002 - it has no such capability
        return False

    async def new_session(self, *, fork: bool) -> str:
        client = self._client
        if client is None:
            raise BackendCrashed("opencode is not running")
        try:
            before = await self._take_up_session(client) if fork else None
            made = await (client.fork(before.session_id) if before else client.create_session())
        except Refused as refused:
            raise BackendCrashed(str(refused)) from refused
        self._known_session_id = made
        self._session = Session(made)
        return made

    def check_model(self, model: str) -> None:
        _checked_model(model)
        self._models.check(model)

    async def set_model(self, model: str) -> None:
        self.check_model(model)
        self._model = model

    async def set_permission_mode(self, mode: str) -> None:
        """The runtime's own part answers by it; the CLI has nothing of the kind."""
        PermissionMode.parse(mode)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def stop(self) -> None:
        self._running.halt()
        await self._end_server()
        await self._launch.tidy()

    async def _run(self, client: Client, message: Message, sink: TurnSink) -> TurnEnd:
        session = await self._take_up_session(client)
        await sink.session(session.session_id)
        prompt = Prompt(client, session, sink)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        end = await prompt.run(message, self._model)
        return self._models.explain(end, self._model)

    async def _take_up_session(self, client: Client) -> Session:
        """The one we have, that of the runtime before, or a new one."""
        if self._session is None:
            self._session = await self._find_session(client)
        return self._session

    def _forget_session(self) -> None:
        """A new process is asked anew whether it knows the session."""
        if self._session is not None:
            self._known_session_id = self._session.session_id
            self._session = None

    async def _find_session(self, client: Client) -> Session:
        known = self._known_session_id
        if not known or not await client.knows_session(known):
            return Session(await client.create_session())
        session = Session(known)
        for child in await client.children(known):
            session.family.put(child, None)
        return session

    async def _crashed(self, server: Server, crash: BackendCrashed) -> TurnEnd:
        """Whatever is left of it is in an unknown state, so it goes."""
        epitaph = await server.epitaph()
        await self._end_server()
        if self._running.halted:
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        raise BackendCrashed(f"{crash}; {epitaph}") from crash

    async def _end_server(self) -> None:
        server, client = self._server, self._client
        self._server = self._client = None
        try:
            if server is not None:
                await server.end()
        finally:
            if client is not None:
                await client.close()


def _checked_model(model: str) -> str:
    provider, _, name = model.partition("/")
    if not provider or not name:
        raise Invalid(
            f"model: {model!r} is not provider/model, such as anthropic/claude-sonnet-4-5"
        )
    return model
