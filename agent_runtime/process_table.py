"""What the system tells about processes: who is in a group, and whether it is still the same.

A group is more than its number. A CLI's tools often get a session of their own,
which takes them out of the CLI's process group; so every process also carries
its group's mark in its environment, which its descendants inherit. Numbers are
given anew after a while; so a group is known by boot and start time too.
"""

import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
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
    return _ask("ps", "-o", "lstart=", "-p", str(pid))


def members(group: ProcessGroup) -> frozenset[int]:
    """The living processes of the group; zombies are not among them.

    Those of that number, unless it has been given anew, and those that carry the mark.
    """
    if group.boot_id != boot_id():
        return frozenset()
    same = start_time(group.pgid) in ("", group.start_time)
    found = _from_proc(group) if _linux() else _from_ps(group)
    return frozenset(pid for pid, by_mark in found if by_mark or same)


def _linux() -> bool:
    return platform.system() == "Linux"


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    pgid: int
    start_time: str


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(fields[0], int(fields[2]), fields[19])


def _from_proc(group: ProcessGroup) -> Iterator[tuple[int, bool]]:
    entry = f"{MARK_VARIABLE}={group.mark}".encode()
    for name in (entry.name for entry in os.scandir("/proc")):
        stat = _stat(int(name)) if name.isdigit() else None
        if stat is None or stat.state in "ZX":
            continue
        if _is_older(stat, group):
            continue
        if entry in _environment(name):
            yield int(name), True
        elif stat.pgid == group.pgid:
            yield int(name), False


def _is_older(stat: _Stat, group: ProcessGroup) -> bool:
    return bool(group.start_time) and int(stat.start_time) < int(group.start_time)


def _environment(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # gone, or somebody else's
        return []


def _from_ps(group: ProcessGroup) -> Iterator[tuple[int, bool]]:
    entry = f"{MARK_VARIABLE}={group.mark}"
    for line in _ask("ps", "-A", "-ww", "-E", "-o", "pid=,pgid=,stat=,command=").splitlines():
        pid, pgid, state, *command = line.split(None, 3)
        if state.startswith("Z"):
            continue
        if command and entry in command[0]:
            yield int(pid), True
        elif int(pgid) == group.pgid:
            yield int(pid), False


def _ask(*argv: str) -> str:
    answer = subprocess.run(  # noqa: S603 - fixed commands of the system
        argv, capture_output=True, text=True, errors="replace", timeout=_ASK_TIMEOUT_S, check=False
    )
    return answer.stdout.strip()
