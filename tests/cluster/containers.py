"""Processes of a pod, as the machine outside sees them.

The node's pods are ordinary processes here, with numbers of their own: so one that is the first
in its container can be killed, which from inside the container nobody could.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.contents import GATE
from tests.peers.processes import Usage

_PROC = Path("/proc")


def processes(pod_uid: str) -> dict[int, str]:
    """Command line by pid, of all that runs in that pod's containers, lowest pid first."""
    # the systemd driver writes the UID with underscores
    names = (f"pod{pod_uid}".encode(), f"pod{pod_uid.replace('-', '_')}".encode())
    found = {}
    for pid in _pids():
        try:
            cgroups = (_PROC / str(pid) / "cgroup").read_bytes()
            if any(name in cgroups for name in names):
                words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
                found[pid] = b" ".join(words).decode("utf-8", "replace").strip()
        except OSError:
            continue  # it has just ended
    return found


def running(pod_uid: str, program: str) -> list[int]:
    """Pids of those that have `program` in their command line."""
    return [pid for pid, line in processes(pod_uid).items() if program in line]


def cpu_s(pod_uid: str) -> float:
    """What its processes have used since they began."""
    return sum(_cpu_s(pid) for pid in processes(pod_uid))


def _cpu_s(pid: int) -> float:
    try:
        return Usage.of(pid).cpu_s
    except OSError:
        return 0.0  # it has just ended


def kill(pod_uid: str) -> None:
    """kill -9 of all that runs in its containers; kubelet starts them again."""
    for pid, line in processes(pod_uid).items():
        if line != "/pause":
            _signal(pid, signal.SIGKILL)


def prefer_for_oom(pid: int) -> None:
    """When the pod's memory is full, the kernel ends this process, if no other is larger."""
    (_PROC / str(pid) / "oom_score_adj").write_text("1000")


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has ended with the one before it


def _pids() -> Iterator[int]:
    return iter(sorted(int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal()))


def open_gate(pid: int) -> None:
    """Let a script go on that waits in the container of that process (contents.after_gate)."""
    (_PROC / str(pid) / "root" / GATE.lstrip("/")).touch()
