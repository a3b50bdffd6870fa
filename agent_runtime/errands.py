"""Errands: short programs beside the CLI, each bounded in time and output and ended whole.

Unlike a CLI they are not recorded for the next runtime: what one leaves behind when the
runtime is killed reads the end of its input, or writes into nothing, and ends by itself.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_NICENESS = 10
_DIES_FIRST = 500
"""Added to the runtime's own score: of the two the kernel shall take the errand."""
_GONE_S = 5.0
_CHUNK_BYTES = 256 * 1024
_STDERR_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Output:
    """`code` is negative for a signal; `cut`: there was more than was wanted."""

    code: int
    stdout: bytes
    stderr: str
    cut: bool


class Errands:
    """Counts what runs, for who waits for the children of this process. Event loop only."""

    def __init__(self) -> None:
        self._running = 0

    @property
    def running(self) -> bool:
        """Whether a child of this process is one that is waited for here."""
        return self._running > 0

    async def run(
        self,
        argv: Sequence[str | bytes],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        most_bytes: int,
        limit_s: float,
    ) -> Output:
        """Run a program to its end, or until it has written `most_bytes`.

        Raises:
            TimeoutError: it was ended after `limit_s`.
            OSError: it cannot be started.
        """
        self._running += 1
        try:
            return await _run(argv, cwd, env, stdin, most_bytes, limit_s)
        finally:
            self._running -= 1


async def _run(
    argv: Sequence[str | bytes],
    cwd: Path,
    env: Mapping[str, str],
    stdin: bytes,
    most_bytes: int,
    limit_s: float,
) -> Output:
    process = await asyncio.create_subprocess_exec(
        *argv, cwd=cwd, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    _step_back(process.pid)
    feeding = asyncio.create_task(_feed(process, stdin), name="errand-stdin")
    complaining = asyncio.create_task(_complaint(process), name="errand-stderr")
    try:
        async with asyncio.timeout(limit_s):
            stdout, cut = await _read(process, most_bytes)
            if cut:
                _kill(process)
            return Output(await process.wait(), stdout, await complaining, cut)
    except BaseException:  # also when its children outlive it
        _kill(process)
        raise
    finally:
        for task in (feeding, complaining):
            task.cancel()
        await asyncio.shield(_gone(process))


def _step_back(pid: int) -> None:
    """Behind the agent's own work, and before the runtime when memory ends."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    with contextlib.suppress(OSError, ValueError):
        own = int(Path("/proc/self/oom_score_adj").read_text("ascii"))
        Path(f"/proc/{pid}/oom_score_adj").write_text(str(min(1000, own + _DIES_FIRST)), "ascii")


async def _feed(process: Process, content: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        process.stdin.write(content)
        await process.stdin.drain()
    process.stdin.close()


async def _read(process: Process, most_bytes: int) -> tuple[bytes, bool]:
    assert process.stdout is not None
    read = bytearray()
    while chunk := await process.stdout.read(_CHUNK_BYTES):
        read += chunk
        if len(read) > most_bytes:
            return bytes(read[:most_bytes]), True
    return bytes(read), False


async def _complaint(process: Process) -> str:
    """The end of its standard error."""
    assert process.stderr is not None
    tail = b""
    while chunk := await process.stderr.read(_CHUNK_BYTES):
        tail = (tail + chunk)[-_STDERR_BYTES:]
    return tail.decode("utf-8", "replace").strip()


async def _gone(process: Process) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GONE_S):
            await process.wait()


def _kill(process: Process) -> None:
    """With all it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
