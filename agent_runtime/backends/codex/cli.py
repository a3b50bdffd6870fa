"""The process `codex app-server`: started, greeted, with one thread taken up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent_runtime.backends.binary import Program
from agent_runtime.backends.codex import shapes, threads
from agent_runtime.backends.codex.config import Home, arguments
from agent_runtime.backends.codex.events import answer_to
from agent_runtime.backends.codex.meter import Meter
from agent_runtime.backends.codex.rpc import Refused, call
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.processes import Processes

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


class Cli:
    """One process with one thread, the conversation."""

    def __init__(self, lines: JsonLines, thread_id: str) -> None:
        self.lines = lines
        self.thread_id = thread_id
        self.meter = Meter()

    async def start_turn(self, number: int, content: list[dict[str, str]], model: str) -> None:
        """Hand over the user's message; the answer comes among the events."""
        params: dict[str, Any] = {"threadId": self.thread_id, "input": content}
        if model:
            params["model"] = model
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

    async def steer(self, turn_id: str, content: list[dict[str, str]]) -> None:
        """Take a message into that turn. Raises Refused when it has ended, BackendCrashed."""
        params = {"threadId": self.thread_id, "expectedTurnId": turn_id, "input": content}
        await call(self.lines, "turn/steer", params, shapes.Nothing)


class Launch:
    """How the CLI is started: the binary, its folders and its environment."""

    def __init__(
        self,
        *,
        binary: str,
        workspace: Path,
        home: Home,
        env: Mapping[str, str],
        processes: Processes,
    ) -> None:
        self._binary = binary
        self._workspace = workspace
        self._home = home
        self._env = env
        self._processes = processes

    async def start(self, *, session_id: str) -> Cli:
        """One that goes on with that thread, if it still knows it.

        Raises:
            BackendUnusable: it does not come up, or is of a version that is not supported;
                the message holds the end of what it wrote to standard error.
        """
        try:
            self._home.prepare(self._env)
        except OSError as error:
            raise BackendUnusable(f"the folder of codex cannot be made: {error}") from error
        process = await self._processes.spawn(
            [self._binary, *_ARGUMENTS, *arguments(self._env)],
            cwd=self._workspace,
            env=self._home.environment(self._env),
        )
        lines = JsonLines(PROGRAM.name, process, self._processes, answer_to)
        try:
            return Cli(lines, await self._greet(lines, session_id))
        except BaseException:
            await lines.end()
            raise

    async def _greet(self, lines: JsonLines, session_id: str) -> str:
        """The id of the thread that it is ready to go on with."""
        try:
            told = await call(lines, "initialize", _GREETING, shapes.Initialized)
            PROGRAM.check(told.user_agent)
            await lines.send({"method": "initialized"})
            if session_id:
                return await threads.take_up(lines, self._workspace, session_id)
            return await threads.begin(lines, self._workspace)
        except (Refused, BackendCrashed) as error:
            epitaph = await lines.epitaph()
            raise BackendUnusable(f"codex did not start: {error}; {epitaph}") from error
