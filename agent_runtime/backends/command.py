"""The `command` backend: a configured command a turn, the message on its standard input.

Standard output is the agent's voice, a line an event; a line that is a JSON
object with a string `type` is passed on untouched. Standard error becomes
`status` events. The exit code is the outcome. A line is at most
lines.LINE_LIMIT_BYTES long; what is longer comes in several events, and is text
even if it was JSON.
"""

import asyncio
import shlex
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, Self

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.lines import (
    Line,
    LineSplitter,
    merged_text,
    stderr_event,
    stdout_event,
)
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.pipe import Pipe
from agent_runtime.backends.protocol import BackendContext, TurnSink, Usability
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import BackendUnusable
from agent_runtime.model import BackendEvent, Code, Outcome, TurnEnd
from agent_runtime.processes import CliProcess

OPTION = "FORGE_COMMAND"
DEFAULT = "bash -s"
_DRAIN_S = 0.5
"""How long what the command left running may still write after its exit."""
_TAIL_CHARS = 2000
"""How much of the end of standard error the final of a failed turn shows."""


class CommandBackend:
    """Owned by the task that runs turns; nothing runs between two prompts."""

    name: ClassVar[str] = "command"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.SET_MODEL, Capability.SET_PERMISSION_MODE}
    )

    def __init__(self, context: BackendContext, argv: Sequence[str]) -> None:
        self._context = context
        self._argv = argv
        self._model = context.model
        self._mode = PermissionMode.parse(context.permission_mode)
        self._ready = False
        self._turn: _CommandTurn | None = None

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        """Whether the command's program is there."""
        try:
            argv = _argv(env)
            path = _find(argv, env)
        except BackendUnusable as error:
            return Usability(usable=False, detail=str(error))
        return Usability(usable=True, detail=f"runs {shlex.join(argv)} ({path})")

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        return cls(context, _argv(context.options))

    async def start(self) -> None:
        _find(self._argv, self._context.env)
        self._ready = True

    @property
    def running(self) -> bool:
        return self._ready

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        turn = _CommandTurn(self._context, sink)
        self._turn = turn
        try:
            return await turn.run(self._argv, self._env(), message.content)
        finally:
            self._turn = None

    async def interrupt(self) -> None:
        if self._turn is not None:
            await self._turn.interrupt()

    async def steer(self, message: Message) -> bool:  # noqa: ARG002 - it has no such capability
        return False

    async def new_session(self, *, fork: bool) -> str:  # noqa: ARG002 - nor this one
        return ""

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:  # noqa: ARG002 - it has no such capability
        return {}

    def check_model(self, model: str) -> None:
        """Whatever the command understands."""

    async def set_model(self, model: str) -> None:
        self._model = model

    async def set_permission_mode(self, mode: str) -> None:
        self._mode = PermissionMode.parse(mode)

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        return merged_text(first, second)

    async def stop(self) -> None:
        self._ready = False
        await self.interrupt()

    def _env(self) -> dict[str, str]:
        told = {"AGENT_MODEL": self._model, "PERMISSION_MODE": self._mode.value}
        return {**self._context.env, **told}


class _CommandTurn:
    """One run of the command. `run` is one task; `interrupt` may come from another."""

    def __init__(self, context: BackendContext, sink: TurnSink) -> None:
        self._workspace = context.workspace
        self._processes = context.processes
        self._sink = sink
        self._one_at_a_time = asyncio.Lock()
        self._process: CliProcess | None = None
        self._interrupted = False
        self._stderr_tail = ""

    async def run(self, argv: Sequence[str], env: Mapping[str, str], content: str) -> TurnEnd:
        process = await self._processes.spawn(argv, cwd=self._workspace, env=env)
        self._process = process
        try:
            if self._interrupted:
                await self._processes.end(process)
            await self._follow(process, content)
            await process.exited()
            return self._end(process)
        finally:
            await self._processes.end(process)
            process.close_pipes()

    async def interrupt(self) -> None:
        self._interrupted = True
        if self._process is not None:
            await self._processes.end(self._process)

    async def _follow(self, process: CliProcess, content: str) -> None:
        """Until the command has exited and all that it wrote is emitted."""
        assert process.stderr is not None
        pipes = Pipe(process.stdout), Pipe(process.stderr)
        feeding = asyncio.create_task(_feed(process, content), name="command-stdin")
        voices = [
            asyncio.create_task(self._pump(pipes[0], self._say), name="command-stdout"),
            asyncio.create_task(self._pump(pipes[1], self._complain), name="command-stderr"),
        ]
        leaving = asyncio.create_task(self._leave(process, pipes, voices), name="command-exit")
        try:
            await asyncio.gather(leaving, *voices)
        finally:
            tasks = [feeding, leaving, *voices]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(
        self, process: CliProcess, pipes: Sequence[Pipe], voices: Sequence["asyncio.Task[None]"]
    ) -> None:
        await process.exited()
        await asyncio.wait(voices, timeout=_DRAIN_S)
        await self._processes.end(process)
        for pipe in pipes:
            pipe.release()

    async def _pump(self, pipe: Pipe, tell: Callable[[Line], Awaitable[None]]) -> None:
        splitter = LineSplitter()
        while chunk := await pipe.read():
            for line in splitter.feed(chunk):
                await tell(line)
        for line in splitter.finish():
            await tell(line)

    async def _say(self, line: Line) -> None:
        async with self._one_at_a_time:
            await self._sink.emit(stdout_event(line))

    async def _complain(self, line: Line) -> None:
        self._stderr_tail = (self._stderr_tail + line.text)[-_TAIL_CHARS:]
        async with self._one_at_a_time:
            await self._sink.emit(stderr_event(line))

    def _end(self, process: CliProcess) -> TurnEnd:
        if self._interrupted:
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        if process.returncode == 0:
            return TurnEnd(outcome=Outcome.COMPLETED)
        tail = self._stderr_tail.strip()
        return TurnEnd(
            outcome=Outcome.FAILED,
            code=Code.BACKEND_CRASHED if process.lack_of_memory else Code.PROMPT_ERROR,
            message=f"the command {process.ending}" + (f": {tail}" if tail else ""),
        )


async def _feed(process: CliProcess, content: str) -> None:
    """Give the message, one newline at its end, to a command that may not want it."""
    line = content if content.endswith("\n") else f"{content}\n"
    await process.write(line.encode("utf-8", "replace"))
    process.stdin.close()


def _argv(options: Mapping[str, str]) -> list[str]:
    try:
        argv = shlex.split(options.get(OPTION) or DEFAULT)
    except ValueError as error:
        raise BackendUnusable(f"{OPTION} is not a command line: {error}") from error
    if not argv:
        raise BackendUnusable(f"{OPTION} is empty; a command such as `{DEFAULT}` is needed")
    return argv


def _find(argv: Sequence[str], env: Mapping[str, str]) -> str:
    path = shutil.which(argv[0], path=env.get("PATH"))
    if path is None:
        raise BackendUnusable(
            f"the command {argv[0]!r} is not found; install it or set {OPTION} to another"
        )
    return path
