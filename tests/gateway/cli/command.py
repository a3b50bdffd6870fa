"""Running `forge` as a process, with pipes or on a pseudo-terminal."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import pyte

LIMIT_S = 30.0
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    status: int | None
    out: str
    err: str


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Little of the tester's, so that no setting of theirs decides a test."""
    own = {name: os.environ[name] for name in KEPT if name in os.environ}
    return own | {"TERM": "xterm-256color", "PYTHONWARNINGS": "error"} | dict(given)


async def forge(
    *arguments: str, env: Mapping[str, str], stdin: bytes = b"", limit_s: float = LIMIT_S
) -> Outcome:
    """Run it to its end with pipes."""
    process = await start(*arguments, env=env)
    try:
        async with asyncio.timeout(limit_s):
            out, err = await process.communicate(stdin)
    finally:
        await end(process)
    return Outcome(process.returncode, out.decode(), err.decode())


async def start(*arguments: str, env: Mapping[str, str]) -> Process:
    """The command as a process of its own group, with pipes."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.cli",
        *arguments,
        env=environment(env),
        start_new_session=True,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )


class Terminal:
    """A command on a pseudo-terminal: what it shows, and keys pressed there.

    `shown` is every byte that came, `rows` what a person sees, with what has scrolled away.
    """

    def __init__(self, process: Process, master: int, *, columns: int, lines: int) -> None:
        self._process = process
        self._master = master
        self._shown = bytearray()
        self._screen = pyte.HistoryScreen(columns, lines, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def shown(self) -> str:
        return self._shown.decode("utf-8", "replace")

    @property
    def rows(self) -> list[str]:
        columns = range(self._screen.columns)
        above = ("".join(row[at].data for at in columns) for row in self._screen.history.top)
        seen = [row.rstrip() for row in (*above, *self._screen.display)]
        while seen and not seen[-1]:
            seen.pop()
        return seen

    async def until(self, expected: str) -> None:
        """Wait until that has been shown."""
        await self._until(lambda: expected in self.shown, expected)

    async def until_row(self, expected: str, *, times: int = 1) -> None:
        """Wait until so many rows have that in them."""
        await self._until(lambda: sum(expected in row for row in self.rows) >= times, expected)

    async def until_last(self, expected: str) -> None:
        """Wait until the last row is that one."""
        await self._until(lambda: self.rows[-1:] == [expected], expected)

    async def until_gone(self, unexpected: str) -> None:
        """Wait until no row has that in it any more."""
        await self._until(
            lambda: not any(unexpected in row for row in self.rows), f"no {unexpected}"
        )

    async def _until(self, happened: Callable[[], bool], expected: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not happened():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as error:
            seen = "\n".join(self.rows)
            raise AssertionError(f"{expected!r} was not shown in:\n{seen}") from error

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def terminate(self) -> None:
        self._process.terminate()

    def echoes(self) -> bool:
        """Whether the terminal itself shows what is typed."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    async def ended(self) -> int:
        """The exit status."""
        async with asyncio.timeout(LIMIT_S):
            return await self._process.wait()

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        await end(self._process)

    def _read(self) -> None:
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._master)
        self._shown += chunk
        self._stream.feed(chunk)
        self._more.set()


CTRL_C = b"\x03"
CTRL_D = b"\x04"
ENTER = b"\r"


@contextlib.asynccontextmanager
async def terminal(
    *arguments: str, env: Mapping[str, str], columns: int = 80, lines: int = 24
) -> AsyncIterator[Terminal]:
    """The command with a terminal of its own, which Ctrl-C reaches as it does a person's."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "from gateway.cli import main; main(prog_name='forge')",
        *arguments,
        env=environment(env),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    shown = Terminal(process, master, columns=columns, lines=lines)
    try:
        yield shown
    finally:
        await shown.close()
        os.close(master)


async def end(process: Process) -> None:
    """Whatever it does, it is gone afterwards."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
