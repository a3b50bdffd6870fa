"""What a node has left behind, in sentences. Nothing may be."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.node import cgroups, sandbox
from tests.cluster.node.errors import Failed
from tests.cluster.node.layout import Layout


def end_strangers(layout: Layout) -> list[str]:
    """End the processes in a node's network that came from outside, such as a program that a test
    started and forgot; which they were. None when the node is not up."""
    try:
        first = sandbox.find(layout).pid
    except Failed:
        return []
    told = []
    for pid in _strangers(layout, first):
        told.append(f"a process that a test started ran on: {_command(pid)} (pid {pid})")
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return told


def of_node(layout: Layout) -> Iterator[str]:
    """What is there after it is down."""
    if layout.folder.exists():
        yield f"the folder {layout.folder} is still there"
    for folder in cgroups.remaining(layout.cgroup):
        yield f"the cgroup {folder} is still there"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if str(layout.folder) in line:
            yield f"a mount is still there: {line}"
    for pid in sandbox.processes(layout.name):
        yield f"a process of the node runs on: {_command(pid)} (pid {pid})"


def _strangers(layout: Layout, first: int) -> Iterator[int]:
    own = sandbox.processes(layout.name)
    inside, network = _namespace(first, "pid"), _namespace(first, "net")
    for pid in _pids():
        if pid in own or _namespace(pid, "pid") == inside:
            continue
        if _namespace(pid, "net") == network:
            yield pid


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def _namespace(pid: int, kind: str) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/{kind}").stat().st_ino
    except OSError:
        return None  # it has just ended


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return "?"
    return b" ".join(words).decode(errors="replace")[:200]
