"""What the kernel tells about memory here: the limit, and how many it killed for want of it.

Both versions of control groups are read (Linux). In a container its own group is what is
mounted, or the root of that; on a machine it lies somewhere below the mount.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_UNLIMITED_BYTES = 1 << 60
"""The first version tells of no limit by a number near the largest there is."""
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The files of one control group."""

    events: Path
    limit: Path

    @classmethod
    def own(cls, process: Path = Path("/proc/self")) -> Self | None:
        """That of this process; None where the system has none, or does not show it."""
        try:
            groups = (process / "cgroup").read_text("utf-8", "replace").splitlines()
            mounts = list(_mounts(process / "mountinfo"))
        except OSError:
            return None
        for line in groups:
            _, controllers, path = line.split(":", 2)
            for mount in mounts:
                if mount.controls_memory(controllers):
                    return cls(*(mount.folder(path) / name for name in mount.files))
        return None

    def oom_kills(self) -> int:
        """How many of its processes the kernel has killed for want of memory, as far as told."""
        try:
            lines = self.events.read_text("ascii").splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)

    def limit_bytes(self) -> int | None:
        """None: there is none, or it is not told."""
        try:
            told = self.limit.read_text("ascii").strip()
        except OSError:
            return None
        return int(told) if told.isdigit() and int(told) < _UNLIMITED_BYTES else None


class OomWatch:
    """Whether the kernel has killed for want of memory since this was made."""

    def __init__(self, group: MemoryGroup | None) -> None:
        self._group = group
        self._before = group.oom_kills() if group else 0

    def words(self) -> str:
        """Says so, with the figures there are; "" when it has not."""
        kills = self._group.oom_kills() if self._group else 0
        if self._group is None or kills <= self._before:
            return ""
        limit_bytes = self._group.limit_bytes()
        limit = f"the limit is {limit_bytes / _MIB:.4g} MiB, " if limit_bytes else ""
        return f"probably for lack of memory: {limit}{kills} oom kill{'s' * (kills > 1)} so far"


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    point: Path
    kind: str
    options: tuple[str, ...]

    @property
    def files(self) -> tuple[str, str]:
        if self.kind == "cgroup2":
            return "memory.events", "memory.max"
        return "memory.oom_control", "memory.limit_in_bytes"

    def controls_memory(self, controllers: str) -> bool:
        """Of the group that has these controllers; those of the second version are not told."""
        if self.kind == "cgroup2":
            return not controllers
        return "memory" in self.options and "memory" in controllers.split(",")

    def folder(self, path: str) -> Path:
        """Of the group of that path; the mount itself where only a part of the tree is mounted."""
        below = Path(path)
        return (
            self.point / below.relative_to(self.root)
            if below.is_relative_to(self.root)
            else self.point
        )


def _mounts(mountinfo: Path) -> Iterator[_Mount]:
    """Of control groups; see proc_pid_mountinfo(5)."""
    for line in mountinfo.read_text("utf-8", "replace").splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            yield _Mount(root, Path(point), kind, tuple(options.split(",")))
