"""The process of an agent: started, greeted, with one session taken up."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acp import meta, schema

from agent_runtime.backends.acp.abilities import Abilities, models_of
from agent_runtime.backends.acp.config import OPTION, environment
from agent_runtime.backends.acp.rpc import call, notification
from agent_runtime.backends.jsonrpc import answer_to
from agent_runtime.backends.piped_cli import PipedCli, starting
from agent_runtime.backends.protocol import BackendContext
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import BackendUnusable, Invalid, Refused

CALLED = "the agent"
_CALLS = meta.AGENT_METHODS
_FILES = schema.FileSystemCapabilities(read_text_file=True, write_text_file=True)
_GREETING = schema.InitializeRequest(
    protocol_version=meta.PROTOCOL_VERSION,
    client_capabilities=schema.ClientCapabilities(fs=_FILES, terminal=False),
    client_info=schema.Implementation(name="forge", version="1"),
)


class Agent(PipedCli):
    """It has one session, the conversation. `model`: what it was told last."""

    def __init__(self, lines: JsonLines, workspace: Path, abilities: Abilities) -> None:
        super().__init__(lines)
        self.abilities = abilities
        self.session_id = ""
        self.model = ""
        self._workspace = workspace

    async def take_up(self, session_id: str) -> None:
        """That session, or a new one where the agent does not know it any more.

        Raises:
            Refused: the agent makes no session; it may want a login.
            BackendCrashed: it has ended.
        """
        if session_id:
            try:
                options = await self._resume(session_id)
            except Refused:
                pass
            else:
                self._begin(session_id, options)
                return
        await self.new_session()

    async def new_session(self) -> None:
        """An empty one. Raises Refused, BackendCrashed."""
        wanted = schema.NewSessionRequest(cwd=str(self._workspace), mcp_servers=[])
        made = await call(self.lines, _CALLS["session_new"], wanted, schema.NewSessionResponse)
        self._begin(made.session_id, made)

    async def use_model(self, model: str) -> None:
        """From the next prompt on. Raises Refused, BackendCrashed."""
        if not model or model == self.model:
            return
        try:
            option_id = self.abilities.model_option(model)
        except Invalid as error:
            raise Refused(str(error)) from error
        wanted = schema.SetSessionConfigOptionSelectRequest(
            session_id=self.session_id, config_id=option_id, value=model
        )
        method = _CALLS["session_set_config_option"]
        await call(self.lines, method, wanted, schema.SetSessionConfigOptionResponse)
        self.model = model

    async def cancel(self) -> None:
        """Ask for the end of the running prompt."""
        told = schema.CancelNotification(session_id=self.session_id)
        await self.lines.send(notification(_CALLS["session_cancel"], told))

    async def _resume(
        self, session_id: str
    ) -> schema.ResumeSessionResponse | schema.LoadSessionResponse:
        """Without its history where it can; what it tells of that goes to nobody."""
        cwd = str(self._workspace)
        if self.abilities.resume:
            wanted = schema.ResumeSessionRequest(session_id=session_id, cwd=cwd, mcp_servers=[])
            method = _CALLS["session_resume"]
            return await call(self.lines, method, wanted, schema.ResumeSessionResponse)
        if not self.abilities.load:
            raise Refused("the agent takes no session up again")
        load = schema.LoadSessionRequest(session_id=session_id, cwd=cwd, mcp_servers=[])
        return await call(self.lines, _CALLS["session_load"], load, schema.LoadSessionResponse)

    def _begin(
        self,
        session_id: str,
        told: schema.NewSessionResponse | schema.ResumeSessionResponse | schema.LoadSessionResponse,
    ) -> None:
        self.session_id = session_id
        self.model = ""
        self.abilities = replace(self.abilities, models=models_of(told.config_options))


class Launch:
    """How the agent is started: its command, its folder and its environment."""

    def __init__(self, argv: Sequence[str], context: BackendContext) -> None:
        self._argv = argv
        self._context = context

    async def start(self, *, session_id: str) -> Agent:
        """One that goes on with that session, if it still knows it.

        Raises:
            BackendUnusable: it does not come up, or speaks another version; the message
                holds the end of what it wrote to standard error.
        """
        try:
            env = environment(self._context.env, self._context.home)
        except OSError as error:
            raise BackendUnusable(f"the agent's folder cannot be made: {error}") from error
        async with starting(CALLED, self._argv, env, self._context, answer_to) as lines:
            return await self._greet(lines, session_id)

    async def _greet(self, lines: JsonLines, session_id: str) -> Agent:
        told = await call(lines, _CALLS["initialize"], _GREETING, schema.InitializeResponse)
        if told.protocol_version != meta.PROTOCOL_VERSION:
            raise BackendUnusable(
                f"{_name(told)} speaks version {told.protocol_version} of the Agent Client "
                f"Protocol; {meta.PROTOCOL_VERSION} is needed: install a version of it that "
                f"speaks that, or set {OPTION} to another agent"
            )
        agent = Agent(lines, self._context.workspace, Abilities.of(told))
        await agent.take_up(session_id)
        return agent


def _name(told: schema.InitializeResponse) -> str:
    """With its own version, where it tells that."""
    agent = told.agent_info
    return f"{CALLED} ({agent.name} {agent.version})" if agent is not None else CALLED
