"""The node's own folder in every cgroup hierarchy: its kubelet sees and removes pods only there.

Two kubelets without such folders take the other's pods for orphans, and kill them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.node.commands import wait


def make(name: str) -> None:
    """Make it in each hierarchy of version 1, or in the one of version 2."""
    for root in _roots():
        folder = root / name
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # without these no process may enter
            if (folder / setting).exists():
                (folder / setting).write_text((root / setting).read_text())


def remove(name: str) -> None:
    """Remove it with all below it, once the processes in it have gone.

    Raises:
        Failed: they have not within 20 s.
    """
    for root in _roots():
        folder = root / name
        wait(
            lambda folder=folder: _removed(folder),  # type: ignore[misc] # bound now
            limit_s=20,
            otherwise=f"the cgroup {folder} did not become empty",
        )


def remaining(name: str) -> list[Path]:
    """Where it still is."""
    return [root / name for root in _roots() if (root / name).exists()]


def _removed(folder: Path) -> bool:
    if not folder.exists():
        return True
    try:
        for path, _, _ in os.walk(folder, topdown=False):
            Path(path).rmdir()
    except OSError:
        return False  # busy: a process in it is just ending
    return True


def _roots() -> Iterator[Path]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind in ("cgroup", "cgroup2"):
            yield Path(place)
