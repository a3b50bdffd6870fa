"""Processes as they are seen from outside (Linux): what they use, and which belong to a folder."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_TICKS = os.sysconf("SC_CLK_TCK")
_STATE, _INODE = 3, 9
_ESTABLISHED = "01"
"""Columns of /proc/PID/net/tcp, and what stands in one."""


@dataclass(frozen=True, slots=True)
class Usage:
    """`cpu_s`: user and system since its start."""

    cpu_s: float
    rss_bytes: int
    own_bytes: int
    fds: int
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """`own_bytes`: resident and shared with nobody. Raises OSError when it is gone."""
        proc = Path(f"/proc/{pid}")
        stat = (proc / "stat").read_text().rpartition(")")[2].split()
        memory = _sizes(proc / "smaps_rollup")
        return cls(
            cpu_s=(int(stat[11]) + int(stat[12])) / _TICKS,
            rss_bytes=memory["Rss"],
            own_bytes=memory["Private_Clean"] + memory["Private_Dirty"],
            fds=sum(1 for _ in (proc / "fd").iterdir()),
            threads=int(stat[17]),
        )


def connections(pid: int) -> int:
    """How many of its descriptors are TCP connections. Raises OSError when it is gone."""
    proc = Path(f"/proc/{pid}")
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in (proc / "net" / table).read_text().splitlines()[1:]
    ]
    established = {f"socket:[{row[_INODE]}]" for row in rows if row[_STATE] == _ESTABLISHED}
    return sum(_target(fd) in established for fd in (proc / "fd").iterdir())


def _target(fd: Path) -> str:
    """ "" when it was closed meanwhile."""
    try:
        return str(fd.readlink())
    except OSError:
        return ""


def _sizes(path: Path) -> dict[str, int]:
    """In bytes."""
    lines = (line.split() for line in path.read_text().splitlines()[1:])
    return {parts[0].rstrip(":"): int(parts[1]) * 1024 for parts in lines}


def runtimes(state: Path) -> dict[str, int]:
    """Pid of each agent's runtime under that state folder, by agent id.

    A CLI that a runtime is just starting looks like the runtime itself until it is
    executed; so a runtime's child is none.
    """
    found: dict[int, str] = {}
    for pid in of_folder(state):
        environ = dict(
            pair.split("=", 1) for pair in _read(pid, "environ").split("\0") if "=" in pair
        )
        if "agent_runtime" in _read(pid, "cmdline") and "AGENT_ID" in environ:
            found[pid] = environ["AGENT_ID"]
    return {agent: pid for pid, agent in found.items() if _parent(pid) not in found}


def of_folder(folder: Path) -> list[int]:
    """Processes that were told of the folder by their environment, or work in it; not this one."""
    pids = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return [pid for pid in pids if pid != os.getpid() and _belongs(pid, str(folder))]


def clis(state: Path) -> list[str]:
    """Command lines of what agents under that state folder have started."""
    lines = (_read(pid, "cmdline").replace("\0", " ") for pid in of_folder(state))
    return [
        line for line in lines if line and "agent_runtime" not in line and "gateway" not in line
    ]


def command_lines(folder: Path) -> str:
    """What everybody on the machine can read of them."""
    return "\n".join(_read(pid, "cmdline") for pid in of_folder(folder))


def end_all_of(folder: Path) -> None:
    """kill -9, until none is left: one that is being started may have been missed."""
    while pids := [pid for pid in of_folder(folder) if not _is_dead(pid)]:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _belongs(pid: int, folder: str) -> bool:
    with contextlib.suppress(OSError):
        if Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder):
            return True
    return names(_read(pid, "environ"), folder)


def names(text: str, folder: str) -> bool:
    """Whether that folder, or something in it, is named there; not one whose name begins so."""
    return re.search(rf"{re.escape(folder)}(?![^/\0:\s])", text) is not None


def _parent(pid: int) -> int:
    """0 when it is gone."""
    _, *rest = _read(pid, "stat").rpartition(")")[2].split() or ("", "0")
    return int(rest[0])


def _is_dead(pid: int) -> bool:
    """A zombie waits for its parent only."""
    return _read(pid, "stat").rpartition(")")[2].split()[:1] in ([], ["Z"])


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


async def until_sigterm(work: Coroutine[Any, Any, T]) -> T:
    """For `asyncio.run`: SIGTERM cancels the work, as Ctrl-C does, so that it cleans up first.

    Raises SystemExit when it was cancelled.
    """
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None
