"""The process `codex app-server`: started, greeted, with one thread taken up."""

from collections.abc import Mapping, Sequence
from typing import Any

from agent_runtime.backends.binary import Program
from agent_runtime.backends.codex import shapes, threads
from agent_runtime.backends.codex.config import Home, arguments
from agent_runtime.backends.codex.meter import Meter
from agent_runtime.backends.codex.rpc import call
from agent_runtime.backends.jsonrpc import answer_to
from agent_runtime.backends.piped_cli import PipedCli, starting
from agent_runtime.backends.protocol import BackendContext
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import BackendUnusable

PROGRAM = Program(
    name="codex",
    option="FORGE_CODEX_BIN",
    install="npm install -g @openai/codex@0.169.0",
    oldest="0.169",
    too_new="1",
)
_ARGUMENTS = (
    "app-server",
    *("--disable", "plugins"),
    *("--enable", "default_mode_request_user_input"),
    *("-c", "suppress_unstable_features_warning=true"),
    *("-c", "check_for_update_on_startup=false"),
    *("-c", "analytics.enabled=false"),
)
_GREETING = {
    "clientInfo": {"name": "forge", "title": "Forge", "version": "1"},
    "capabilities": {"experimentalApi": True},
}
_NO_METHOD = -32601


class Cli(PipedCli):
    """It has one thread, the conversation; `empty`: nothing was said in it yet."""

    def __init__(self, lines: JsonLines, thread_id: str, *, empty: bool) -> None:
        super().__init__(lines)
        self.thread_id = thread_id
        self.empty = empty
        self.meter = Meter()

    async def start_turn(self, number: int, content: list[dict[str, str]], model: str) -> None:
        """Hand over the user's message; the answer comes among the events."""
        params: dict[str, Any] = {"threadId": self.thread_id, "input": content}
        if model:
            params["model"] = model
        self.empty = False
        await self.lines.send({"id": number, "method": "turn/start", "params": params})

    async def interrupt(self, turn_id: str) -> None:
        """Its answer says nothing that the turn's end does not say."""
        params = {"threadId": self.thread_id, "turnId": turn_id}
        number = self.lines.number()
        await self.lines.send({"id": number, "method": "turn/interrupt", "params": params})

    async def answer(self, number: int | str | None, result: Mapping[str, Any]) -> None:
        """To a request of the CLI."""
        await self.lines.send({"id": number, "result": result})

    async def refuse(self, number: int | str | None, method: str) -> None:
        """A request that is none of the kinds we answer."""
        error = {"code": _NO_METHOD, "message": f"{method} is not supported"}
        await self.lines.send({"id": number, "error": error})

    async def models(self) -> Sequence[str]:
        """Those that it lists. Raises Refused, BackendCrashed."""
        told = await call(self.lines, "model/list", {}, shapes.Models)
        return [model.id for model in told.data]

    async def steer(
        self, content: list[dict[str, str]], *, turn_id: str, thread_id: str = ""
    ) -> None:
        """Take a message into that turn, of our thread if of no other.

        Raises Refused when it has ended, BackendCrashed.
        """
        params = {
            "threadId": thread_id or self.thread_id,
            "expectedTurnId": turn_id,
            "input": content,
        }
        await call(self.lines, "turn/steer", params, shapes.Nothing)


class Launch:
    """How the CLI is started: the binary, its folders and its environment."""

    def __init__(self, binary: str, context: BackendContext) -> None:
        self._binary = binary
        self._context = context
        self._home = Home(context.home)

    async def start(self, *, session_id: str) -> Cli:
        """One that goes on with that thread, if it still knows it.

        Raises:
            BackendUnusable: it does not come up, or is of a version that is not supported;
                the message holds the end of what it wrote to standard error.
        """
        try:
            self._home.prepare(self._context.env)
        except OSError as error:
            raise BackendUnusable(f"the folder of codex cannot be made: {error}") from error
        argv = [self._binary, *_ARGUMENTS, *arguments(self._context.env)]
        env = self._home.environment(self._context.env)
        async with starting(PROGRAM.name, argv, env, self._context, answer_to) as lines:
            await _greet(lines)
            thread_id, empty = await self._thread(lines, session_id)
            return Cli(lines, thread_id, empty=empty)

    async def _thread(self, lines: JsonLines, session_id: str) -> tuple[str, bool]:
        """The one that it is ready to go on with, and whether it is empty."""
        workspace = self._context.workspace
        if session_id and await threads.take_up(lines, workspace, session_id):
            return session_id, False
        return await threads.begin(lines, workspace), True


async def _greet(lines: JsonLines) -> None:
    told = await call(lines, "initialize", _GREETING, shapes.Initialized)
    PROGRAM.check(told.user_agent)
    await lines.send({"method": "initialized"})
