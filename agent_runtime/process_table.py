"""What the system tells about processes: who is in a group, and whether it is still the same.

A group is more than its number. A CLI's tools often get a session of their own,
which takes them out of the CLI's process group; so every process also carries
its group's mark in its environment, which its descendants inherit. Numbers are
given anew after a while, and in a new container at once; so a group is known by
boot and start time too, and nothing is signalled by a number alone.
"""

import contextlib
import hashlib
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK_VARIABLE = "FORGE_PROCESS_GROUP"
_ASK_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """A group and what tells it from a later one with the same number.

    `start_time` is that of its leader, in the system's own form (`start_time`).
    """

    pgid: int
    start_time: str
    boot_id: str

    @property
    def mark(self) -> str:
        """The value of MARK_VARIABLE in all its processes; unique to this group."""
        known = hashlib.sha256(f"{self.boot_id}\0{self.start_time}".encode()).hexdigest()
        return f"{self.pgid}-{known[:16]}"


@dataclass(frozen=True, slots=True)
class Process:
    """One process; `start_time` tells it from a later one with the same number.

    `parent`: the number of the one that it had when it was seen, 0 where that was not asked.
    """

    pid: int
    start_time: str
    parent: int = field(default=0, compare=False)


def boot_id() -> str:
    """Names this boot of the machine."""
    if _linux():
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return _ask("sysctl", "-n", "kern.bootsessionuuid")


def start_time(pid: int) -> str:
    """When the process started, in the system's own form; "" when there is none."""
    if _linux():
        stat = _stat(pid)
        return stat.start_time if stat else ""
    return " ".join(_ask("ps", "-o", "lstart=", "-p", str(pid)).split())


def moment() -> str:
    """Now, in the form of `start_time`; "" where that form cannot be compared."""
    if not _linux():
        return ""
    return str(int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")))


def members(group: ProcessGroup, *, held_until: str = "") -> frozenset[Process]:
    """The living processes of the group; zombies are not among them.

    Those that carry the mark, wherever they are; and all of that number, if one of
    them proves that the number is still this group's: its leader, one that carries
    the mark, or one that began while the leader had the number (`held_until`: the
    latest `moment` at which it is known to have had it).
    """
    if group.boot_id != boot_id():
        return frozenset()
    seen = list(_from_proc(group) if _linux() else _from_ps(group))
    same = any(found.pgid == group.pgid and _proves(found, group, held_until) for found in seen)
    return frozenset(
        found.process
        for found in seen
        if found.state not in "ZX" and (found.marked or (same and found.pgid == group.pgid))
    )


def strays(found: frozenset[Process], root: int) -> frozenset[Process]:
    """Those that do not descend from `root` any more: a parent of theirs has ended."""
    left, parents = found, {root}
    while more := {one for one in left if one.pid in parents or one.parent in parents}:
        left -= more
        parents = {one.pid for one in more}
    return left


def send(process: Process, signum: int) -> None:
    """Signal it, if it is still there; never another one that has its number by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError), _held(process.pid) as handle:
        if start_time(process.pid) != process.start_time:
            return
        if handle is None:
            os.kill(process.pid, signum)
        elif sys.platform == "linux":
            signal.pidfd_send_signal(handle, signum)


@contextlib.contextmanager
def _held(pid: int) -> Iterator[int | None]:
    """A descriptor that stands for what has that number now; None: the system gives none.

    Raises ProcessLookupError when nothing has it.
    """
    if sys.platform != "linux":
        yield None
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:  # an old kernel, or a sandbox that forbids it
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _linux() -> bool:
    return platform.system() == "Linux"


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent: int
    pgid: int
    start_time: str


@dataclass(frozen=True, slots=True)
class _Found:
    process: Process
    pgid: int
    state: str
    marked: bool


def _proves(found: _Found, group: ProcessGroup, held_until: str) -> bool:
    """Of one in a group of that number: whether that is this group."""
    leads = found.process == Process(group.pgid, group.start_time)
    began_before = bool(held_until) and int(found.process.start_time) <= int(held_until)
    return found.marked or leads or began_before


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[1]), int(fields[2]), fields[19])


def _from_proc(group: ProcessGroup) -> Iterator[_Found]:
    entry = f"{MARK_VARIABLE}={group.mark}".encode()
    for name in (entry.name for entry in os.scandir("/proc")):
        stat = _stat(int(name)) if name.isdigit() else None
        if stat is None or _is_older(stat, group):
            continue
        process = Process(int(name), stat.start_time, stat.parent)
        yield _Found(process, stat.pgid, stat.state[0], entry in _environment(name))


def _is_older(stat: _Stat, group: ProcessGroup) -> bool:
    return bool(group.start_time) and int(stat.start_time) < int(group.start_time)


def _environment(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return []


def _from_ps(group: ProcessGroup) -> Iterator[_Found]:
    entry = f"{MARK_VARIABLE}={group.mark}"
    columns = "pid=,ppid=,pgid=,stat=,lstart=,command="
    for line in _ask("ps", "-A", "-ww", "-E", "-o", columns).splitlines():
        pid, parent, pgid, state, *rest = line.split(None, 9)  # a start time has five words
        process = Process(int(pid), " ".join(rest[:5]), int(parent))
        yield _Found(process, int(pgid), state[0], any(entry in word for word in rest[5:]))


def _ask(*argv: str) -> str:
    answer = subprocess.run(  # noqa: S603 - fixed commands of the system
        argv, capture_output=True, text=True, errors="replace", timeout=_ASK_TIMEOUT_S, check=False
    )
    return answer.stdout.strip()
