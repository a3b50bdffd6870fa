"""Running `forge` as a process, with pipes or on a pseudo-terminal."""

import asyncio
import contextlib
import os
import pty
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

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
    """A command on a pseudo-terminal: what it shows, and keys pressed there."""

    def __init__(self, process: Process, master: int) -> None:
        self._process = process
        self._master = master
        self._shown = bytearray()
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    @property
    def shown(self) -> str:
        return self._shown.decode("utf-8", "replace")

    async def until(self, expected: str) -> None:
        """Wait until that has been shown."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while expected not in self.shown:
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError as error:
            raise AssertionError(f"{expected!r} was not shown in:\n{self.shown}") from error

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

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
        self._more.set()


CTRL_C = b"\x03"


@contextlib.asynccontextmanager
async def terminal(*arguments: str, env: Mapping[str, str]) -> AsyncIterator[Terminal]:
    """The command with a terminal of its own, which Ctrl-C reaches as it does a person's."""
    master, slave = pty.openpty()
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
    shown = Terminal(process, master)
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
