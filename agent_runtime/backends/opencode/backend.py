"""The `opencode` backend."""

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.binary import Installed
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.cli_backend import CliBackend
from agent_runtime.backends.message import Message
from agent_runtime.backends.models import refuse_unknown
from agent_runtime.backends.opencode import history
from agent_runtime.backends.opencode.client import Client
from agent_runtime.backends.opencode.config import LOGIN, configuration, has_credentials
from agent_runtime.backends.opencode.merging import merged
from agent_runtime.backends.opencode.prompt import Prompt
from agent_runtime.backends.opencode.server import PROGRAM, Cli, Launch
from agent_runtime.backends.opencode.turn import Session
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import BackendCrashed, BackendUnusable, Invalid, Refused
from agent_runtime.model import BackendEvent, Outcome, TurnEnd

log = logging.getLogger(__name__)


class OpenCodeBackend(CliBackend[Cli, Prompt]):
    """The session is made with the first prompt and kept: a new process takes it up
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
            Capability.HISTORY,
            Capability.REASONING,
            Capability.USAGE,
            Capability.COST,
        }
    )

    def __init__(self, context: BackendContext, binary: str) -> None:
        super().__init__(PROGRAM.name, context, Installed(PROGRAM, binary))
        if context.model:
            _check_form(context.model)
        self._launcher = Launch(binary, context)
        self._models: Sequence[str] = ()
        self._known_session_id = context.session_id
        self._session: Session | None = None

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        return PROGRAM.probe(env, has_credentials=has_credentials, login=LOGIN)

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        try:
            configuration(context.env)
            return cls(context, PROGRAM.find(context.options, context.env))
        except Invalid as error:
            raise BackendUnusable(str(error)) from error

    def check_model(self, model: str) -> None:
        _check_form(model)
        if self._models:
            refuse_unknown(PROGRAM.name, model, self._models)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged(first, second)

    async def stop(self) -> None:
        await super().stop()
        await self._launcher.tidy()

    async def _launch(self) -> Cli:
        self._forget_session()
        cli = await self._launcher.start()
        try:
            self._models = await _listed(cli.client)
        except BaseException:
            await cli.end()
            raise
        return cli

    async def _begin_session(self, cli: Cli, *, fork: bool) -> str:
        before = await self._take_up_session(cli.client) if fork else None
        if before is not None:
            made = await cli.client.fork(before.session_id)
        else:
            made = await cli.client.create_session()
        self._known_session_id = made
        self._session = Session(made)
        return made

    async def _recall(self, cli: Cli, wanted: Bookmarks) -> Mapping[str, Recalled]:
        return await history.recall(cli.client, wanted)

    async def _run(self, cli: Cli, message: Message, sink: TurnSink) -> TurnEnd:
        session = await self._take_up_session(cli.client)
        await sink.session(session.session_id)
        prompt = Prompt(cli.client, session, sink)
        if not self._running.begin(prompt):
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        before = cli.server.members()
        end = await prompt.run(message, self._model)
        if end.outcome is Outcome.INTERRUPTED:
            await cli.server.end_strays(before)
        return end

    async def _known_models(self, cli: Cli) -> Sequence[str]:  # noqa: ARG002 - told at its start
        return self._models

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


async def _listed(client: Client) -> Sequence[str]:
    """A CLI that does not tell its models can be used all the same."""
    try:
        return await client.models()
    except (BackendCrashed, Refused) as error:
        log.info("models_not_told", extra={"reason": str(error)})
        return ()


def _check_form(model: str) -> None:
    provider, _, name = model.partition("/")
    if not provider or not name:
        raise Invalid(
            f"model: {model!r} is not provider/model, such as anthropic/claude-sonnet-4-5"
        )
