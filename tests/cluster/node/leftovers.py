"""What a node has left behind, in sentences. Nothing may be."""

from collections.abc import Iterator
from pathlib import Path

from tests.cluster.node import cgroups, sandbox
from tests.cluster.node.layout import Layout


def of_network(layout: Layout) -> Iterator[str]:
    """Whose process is still in the network of a node that is up, but came from outside, such as
    a program that a test started and forgot."""
    inside = _namespace(sandbox.find(layout).pid, "pid")
    network = layout.network.stat().st_ino
    own = sandbox.processes(layout.name)
    for pid in _pids():
        if pid in own or _namespace(pid, "pid") == inside:
            continue
        if _namespace(pid, "net") == network:
            yield f"a process that a test started runs on: {_command(pid)} (pid {pid})"


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
