"""A CLI that speaks JSON on its standard input and output, a message a line.

What the CLI says is read by one task for as long as it lives, so that the answer
to a call is heard whatever else is going on. Everything but answers goes to the
inbox that is open, which holds no more than one line: whoever does not read on
holds the CLI up. With no inbox open it goes nowhere.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from agent_runtime.backends.last_words import KEPT_BYTES, last_words
from agent_runtime.backends.lines import Line, LineSplitter
from agent_runtime.backends.pipe import Pipe
from agent_runtime.errors import BackendCrashed
from agent_runtime.process_table import Process
from agent_runtime.processes import CliProcess, Processes

LINE_LIMIT_BYTES = 64 * 1024 * 1024
_EXIT_GRACE_S = 1.0
"""How long an exit may take to be told after the end of the output."""

AnswerTo = Callable[[bytes], int | None]
"""The number of the call that a line answers, None when it answers none."""


class Inbox:
    """What the CLI says, in order, for one reader."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[bytes | BackendCrashed] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)

    async def next(self) -> bytes:
        """The next line, without its newline.

        Raises:
            BackendCrashed: nothing more will come; to be called no more.
        """
        line = await self._lines.get()
        if isinstance(line, BackendCrashed):
            raise line
        self._room.release()
        return line

    async def put(self, line: bytes) -> None:
        """Waits until the line before has been taken."""
        await self._room.acquire()
        self._lines.put_nowait(line)

    def end(self, crash: BackendCrashed) -> None:
        """Nothing more will come."""
        self._lines.put_nowait(crash)

    def close(self) -> None:
        """Nobody reads any more: let the one who waits for room go."""
        self._room.release()


class JsonLines:
    """One process. Made right after it was started; `end` ends its tasks, too."""

    def __init__(
        self, name: str, process: CliProcess, processes: Processes, answer_to: AnswerTo
    ) -> None:
        assert process.stderr is not None
        self._name = name
        self._process = process
        self._processes = processes
        self._answer_to = answer_to
        self._out, self._err = Pipe(process.stdout), Pipe(process.stderr)
        self._tail = b""
        self._numbers = 0
        self._calls: dict[int, asyncio.Future[bytes | BackendCrashed]] = {}
        self._inbox: Inbox | None = None
        self._crash: BackendCrashed | None = None
        self._tasks = [
            asyncio.create_task(self._run(), name=f"{name}-output"),
            asyncio.create_task(self._drain(), name=f"{name}-errors"),
            asyncio.create_task(self._release(), name=f"{name}-exit"),
        ]

    @property
    def running(self) -> bool:
        return self._process.returncode is None and self._crash is None

    async def send(self, message: Any) -> None:
        """Raises BackendCrashed when it takes no more."""
        try:
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise BackendCrashed(f"{self._name} takes no more input") from error

    def number(self) -> int:
        """One for a request that is sent without `call`: its answer comes into the inbox."""
        self._numbers += 1
        return self._numbers

    async def call(self, request: Callable[[int], Any], *, limit_s: float) -> bytes:
        """Send `request(number)` and wait for the line that answers it.

        Raises:
            BackendCrashed: there will be none, or it took longer than `limit_s`.
        """
        if self._crash is not None:
            raise self._crash
        number = self.number()
        waiting: asyncio.Future[bytes | BackendCrashed]
        waiting = asyncio.get_running_loop().create_future()
        self._calls[number] = waiting
        try:
            async with asyncio.timeout(limit_s):
                await self.send(request(number))
                answer = await waiting
        except TimeoutError as error:
            raise BackendCrashed(f"{self._name} has not answered for {limit_s:g} s") from error
        finally:
            del self._calls[number]
        if isinstance(answer, BackendCrashed):
            raise answer
        return answer

    def members(self) -> frozenset[Process]:
        """All its processes now."""
        return self._process.members()

    async def end_newer(self, before: frozenset[Process]) -> None:
        """End the processes that it has started since `before`."""
        await self._processes.end_newer(self._process, before)

    @contextmanager
    def listening(self) -> Iterator[Inbox]:
        """What it says from now on comes into the inbox; only one is open at a time."""
        inbox = Inbox()
        self._inbox = inbox
        if self._crash is not None:
            inbox.end(self._crash)
        try:
            yield inbox
        finally:
            self._inbox = None
            inbox.close()

    async def epitaph(self) -> str:
        """How it ended, or that it lives, and the end of what it wrote to standard error."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_GRACE_S):
                await self._process.exited()
                await asyncio.wait(self._tasks[1:2])
        ending = f"{self._name} {self._process.ending}"
        return last_words(ending, self._tail, which="error output")

    async def end(self) -> None:
        """End all its processes. Idempotent."""
        await self._processes.end(self._process)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._process.close_pipes()
        self._fail(BackendCrashed(f"{self._name} has been stopped"))

    async def _run(self) -> None:
        try:
            await self._read()
        except BackendCrashed as crash:
            self._fail(crash)

    async def _read(self) -> None:
        splitter = LineSplitter(LINE_LIMIT_BYTES)
        while chunk := await self._out.read():
            for line in splitter.feed(chunk):
                await self._take(line)
        raise BackendCrashed(f"{self._name} has ended its output")

    async def _take(self, line: Line) -> None:
        if not line.whole:
            raise BackendCrashed(
                f"{self._name} wrote a line of more than {LINE_LIMIT_BYTES // 1024**2} MiB"
            )
        content = line.content.strip()
        number = self._answer_to(content) if content else None
        call = self._calls.get(number) if number is not None else None
        if call is not None:
            if not call.done():
                call.set_result(content)
        elif self._inbox is not None and content:
            await self._inbox.put(content)

    def _fail(self, crash: BackendCrashed) -> None:
        if self._crash is not None:
            return
        self._crash = crash
        for call in self._calls.values():
            if not call.done():
                call.set_result(crash)
        if self._inbox is not None:
            self._inbox.end(crash)

    async def _drain(self) -> None:
        while chunk := await self._err.read():
            self._tail = (self._tail + chunk)[-KEPT_BYTES:]

    async def _release(self) -> None:
        """Who else holds its pipes cannot hold us."""
        await self._process.exited()
        self._out.release()
        self._err.release()
