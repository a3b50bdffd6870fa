"""CLI processes: each in a process group of its own, recorded before it runs, ended whole.

A process is started through a gate: `sh` waits for one line on its standard
input before it becomes the CLI. The line is written only once the group is
recorded, so a runtime that is killed at any moment leaves no group that its
successor does not know: an unrecorded one reads end-of-file and is gone.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_runtime.errors import BackendUnusable

STREAM_LIMIT_BYTES = 256 * 1024
"""How much of a pipe is buffered before its writer has to wait."""

_GATE = 'read -r _ && exec "$@"'
_TERM_GRACE_S = 2.0
_KILL_GRACE_S = 5.0
"""After SIGKILL only zombies can be left, which whoever is their parent has to reap."""
_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A group and what tells it from a later one with the same number."""

    pgid: int
    start_time: str
    boot_id: str


Record = Callable[[frozenset[ProcessGroup]], Awaitable[None]]
"""Makes the set of living groups durable before it returns."""


class Processes:
    """Starts and ends CLI processes. Owned by the task that runs turns."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._groups: dict[int, ProcessGroup] = {}

    async def spawn(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], merge_stderr: bool = False
    ) -> Process:
        """Start argv in a group of its own, with pipes on stdin, stdout and stderr.

        Raises:
            BackendUnusable: there is no such command, or it cannot be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                "/bin/sh",
                "-c",
                _GATE,
                "sh",
                *argv,
                cwd=cwd,
                env=dict(env),
                stdin=PIPE,
                stdout=PIPE,
                stderr=subprocess.STDOUT if merge_stderr else PIPE,
                start_new_session=True,
                limit=STREAM_LIMIT_BYTES,
            )
        except OSError as error:
            raise BackendUnusable(f"{argv[0]} cannot be started: {error.strerror}") from error
        self._groups[process.pid] = ProcessGroup(
            process.pid, start_time(process.pid), boot_id()
        )
        await self._record(frozenset(self._groups.values()))
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(b"\n")
            await process.stdin.drain()
        return process

    async def end(self, process: Process) -> None:
        """End the whole group, SIGTERM first, and wait until it is gone. Idempotent."""
        await end_group(process.pid)
        await process.wait()
        if self._groups.pop(process.pid, None) is not None:
            await self._record(frozenset(self._groups.values()))


async def end_group(pgid: int) -> None:
    """SIGTERM, 2 s later SIGKILL to every process of the group; waits till it is empty, 7 s at most."""
    if not _signal_group(pgid, signal.SIGTERM):
        return
    now = asyncio.get_running_loop().time
    kill_at = now() + _TERM_GRACE_S
    while _signal_group(pgid, 0) and now() < kill_at + _KILL_GRACE_S:
        if now() > kill_at:
            _signal_group(pgid, signal.SIGKILL)
        await asyncio.sleep(_POLL_S)


async def end_leftover(group: ProcessGroup) -> None:
    """End a group that a previous runtime recorded, unless its number has been given anew."""
    if group.boot_id == boot_id() and start_time(group.pgid) in ("", group.start_time):
        await end_group(group.pgid)


def _signal_group(pgid: int, signum: int) -> bool:
    """Whether the group still has a process that is no zombie of somebody else's."""
    try:
        os.killpg(pgid, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def boot_id() -> str:
    """Names this boot of the machine."""
    if sys.platform == "linux":
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return _ask("sysctl", "-n", "kern.bootsessionuuid")


def start_time(pid: int) -> str:
    """When the process started, in the system's own form; "" when there is none."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:
            return ""
        return stat.rpartition(")")[2].split()[19]
    return _ask("ps", "-o", "lstart=", "-p", str(pid))


def _ask(*argv: str) -> str:
    answer = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603 - fixed commands of the system
    return answer.stdout.strip()
