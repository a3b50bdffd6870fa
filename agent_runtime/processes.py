"""CLI processes: each in a process group of its own, recorded before it runs, ended whole.

A process is started through a gate: `sh` waits for one line on its standard
input before it becomes the CLI. The line is written only once the group is
recorded, so a runtime that is killed at any moment leaves no group that its
successor does not know: an unrecorded one reads end-of-file and is gone. The
line carries the group's mark (process_table), by which its descendants are
found wherever they moved to. At the gate it also puts itself before the runtime
among those that the kernel kills for want of memory.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from agent_runtime.errands import Errands
from agent_runtime.errors import BackendUnusable
from agent_runtime.memory import MemoryGroup, OomWatch
from agent_runtime.process_table import (
    MARK_VARIABLE,
    Process,
    ProcessGroup,
    boot_id,
    members,
    moment,
    send,
    start_time,
    strays,
)

STREAM_LIMIT_BYTES = 256 * 1024
"""Twice this of a pipe is buffered before its writer has to wait."""

_DIES_FIRST = (
    "{ read -r forge_score < /proc/self/oom_score_adj && forge_score=$((forge_score + 500)) &&"
    " echo $((forge_score > 1000 ? 1000 : forge_score)) > /proc/self/oom_score_adj; } 2>/dev/null"
)
"""When memory ends, the kernel shall take the CLI and not the runtime, which tells of it."""
_GATE = f'{_DIES_FIRST}; IFS= read -r {MARK_VARIABLE} && export {MARK_VARIABLE} && exec "$@"'
_TERM_GRACE_S = 2.0
_KILL_GRACE_S = 5.0
"""A process that SIGKILL does not end within this hangs in the kernel."""
_POLL_S = 0.02

Record = Callable[[frozenset[ProcessGroup]], Awaitable[None]]
"""Makes the set of living groups durable before it returns."""


class CliProcess:
    """One started process with its pipes. Whoever reads the pipes closes them."""

    def __init__(
        self,
        transport: asyncio.SubprocessTransport,
        protocol: "_Pipes",
        group: ProcessGroup,
        oom: OomWatch,
    ) -> None:
        assert protocol.stdin is not None
        assert protocol.stdout is not None
        self._transport = transport
        self._protocol = protocol
        self._oom = oom
        self.group = group
        self.stdin = protocol.stdin
        self.stdout = protocol.stdout
        self.stderr = protocol.stderr
        """None when it was merged into stdout."""

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it lives."""
        return self._transport.get_returncode()

    async def exited(self) -> int:
        """Wait for this process alone, whoever else still holds its pipes."""
        await self._protocol.exited.wait()
        code = self.returncode
        assert code is not None
        return code

    @property
    def lack_of_memory(self) -> str:
        """Says so if it was the kernel that killed this process; "" otherwise."""
        return self._oom.words() if self.returncode == -signal.SIGKILL else ""

    @property
    def ending(self) -> str:
        """How it ended, as in "opencode exited with code 3"."""
        code = self.returncode
        if code is None:
            return "still runs"
        if code >= 0:
            return f"exited with code {code}"
        reason = self.lack_of_memory
        return f"was ended by {_signal_name(-code)}" + (f", {reason}" if reason else "")

    async def write(self, content: bytes) -> None:
        """To its standard input; what is gone, or wants to hear nothing, is not told."""
        if self.stdin.is_closing():
            return
        with contextlib.suppress(ConnectionError):
            self.stdin.write(content)
            await self.stdin.drain()

    def members(self) -> frozenset[Process]:
        """The living processes of its group, its own among them."""
        return members(self.group, held_until=self._protocol.exited_at or moment())

    def close_pipes(self) -> None:
        """What has not been read by now is lost; a process that still lives is killed."""
        self._transport.close()


class Processes:
    """Starts and ends CLI processes. Owned by the task that runs turns."""

    def __init__(
        self,
        record: Record,
        memory: MemoryGroup | None = None,
        errands: Errands | None = None,
    ) -> None:
        """`memory`: where the kernel counts what it kills; None: nobody knows.

        `errands`: what has children of this process besides.
        """
        self._record = record
        self._memory = memory
        self._errands = errands
        self._groups: set[ProcessGroup] = set()

    async def spawn(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], merge_stderr: bool = False
    ) -> CliProcess:
        """Start argv in a group of its own, with pipes on stdin, stdout and stderr.

        A command that cannot be found exits with 127, one that cannot be run with 126; one
        that is killed before it begins, with that signal.

        Raises:
            BackendUnusable: nothing can be started in `cwd`.
        """
        self._reap_orphans()
        watch = OomWatch(self._memory)
        process = await _start(argv, cwd=cwd, env=env, merge_stderr=merge_stderr, oom=watch)
        self._groups.add(process.group)
        try:
            await self._record(frozenset(self._groups))
            await process.write(process.group.mark.encode() + b"\n")
        except BaseException:
            self._groups.discard(process.group)
            process.close_pipes()
            await process.exited()  # at once: it waited at the gate
            raise
        return process

    async def end(self, process: CliProcess) -> None:
        """End the whole group, SIGTERM first, and wait until it is gone. Idempotent."""
        await _end_all(process.members)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_GRACE_S):
                await process.exited()
        self._reap_orphans()
        if process.group in self._groups:
            self._groups.discard(process.group)
            await self._record(frozenset(self._groups))

    async def end_newer(self, process: CliProcess, before: frozenset[Process]) -> None:
        """End what has joined its group since `before`, and wait until it is gone."""
        await _end_all(lambda: process.members() - before)

    async def end_strays(self, process: CliProcess, before: frozenset[Process]) -> None:
        """The same with what has lost its parent there: what the CLI itself began, stays."""
        await _end_all(lambda: strays(process.members(), process.group.pgid) - before)

    def _reap_orphans(self) -> None:
        """Where this process is the first of its container, all orphans become its children.

        Those it has started are waited for by the event loop; while there are errands, all
        wait for the next time.
        """
        if os.getpid() != 1 or (self._errands is not None and self._errands.running):
            return
        own = {group.pgid for group in self._groups}
        how = os.WEXITED | os.WNOHANG
        with contextlib.suppress(ChildProcessError):
            while (dead := os.waitid(os.P_ALL, 0, how | os.WNOWAIT)) and dead.si_pid not in own:
                os.waitid(os.P_PID, dead.si_pid, how)


async def end_leftover(group: ProcessGroup) -> None:
    """End what is left of a group that a previous runtime recorded."""
    await _end_all(lambda: members(group))


async def _end_all(members: Callable[[], frozenset[Process]]) -> None:
    """SIGTERM, 2 s later SIGKILL, to all of them; waits till they are gone, 7 s at most."""
    now = asyncio.get_running_loop().time
    kill_at = now() + _TERM_GRACE_S
    asked: set[Process] = set()
    while (left := members()) and now() < kill_at + _KILL_GRACE_S:
        if now() > kill_at:
            _signal(left, signal.SIGKILL)
        else:
            _signal(left - asked, signal.SIGTERM)
            asked |= left
        await asyncio.sleep(_POLL_S)  # nobody tells when a group is empty


def _signal(processes: frozenset[Process], signum: int) -> None:
    for process in processes:
        send(process, signum)


class _Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells the exit of the process at once: Process.wait() may wait for its pipes too."""

    def __init__(self) -> None:
        super().__init__(limit=STREAM_LIMIT_BYTES, loop=asyncio.get_running_loop())
        self.exited = asyncio.Event()
        self.exited_at = ""
        """The `moment` of its exit: until then the group's number was its own."""

    def process_exited(self) -> None:
        self.exited_at = moment()
        super().process_exited()
        self.exited.set()


async def _start(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], merge_stderr: bool, oom: OomWatch
) -> CliProcess:
    try:
        transport, protocol = await asyncio.get_running_loop().subprocess_exec(
            _Pipes,
            *("/bin/sh", "-c", _GATE, "sh", *argv),
            cwd=cwd,
            env=dict(env),
            stdin=PIPE,
            stdout=PIPE,
            stderr=subprocess.STDOUT if merge_stderr else PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise BackendUnusable(f"{argv[0]} cannot be started in {cwd}: {error.strerror}") from error
    pid = transport.get_pid()
    return CliProcess(transport, protocol, ProcessGroup(pid, start_time(pid), boot_id()), oom)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
