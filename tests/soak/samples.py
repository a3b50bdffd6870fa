"""What processes use, taken now and then, and whether it grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from tests.peers.processes import Usage, connections

_WARM_UP = 0.3
"""This share of the samples, at the start, is left out: caches and pools fill first."""
_MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Held:
    """What one process holds. `files`: descriptors but for `connections`, which are TCP;
    `tasks`: of its event loop, of a runtime as it told them last."""

    rss_mb: float
    files: int
    connections: int
    threads: int
    tasks: int

    @classmethod
    def of(cls, pid: int, *, tasks: int) -> Self:
        """Raises OSError when it is gone."""
        used, connected = Usage.of(pid), connections(pid)
        return cls(used.rss_bytes / _MB, used.fds - connected, connected, used.threads, tasks)


@dataclass(frozen=True, slots=True)
class Room:
    """What something may grow by and still be flat: the larger of a number and a share."""

    number: float
    share: float = 0.0


ROOMS = {
    "rss_mb": Room(4.0, 0.05),
    "files": Room(2.0),
    "threads": Room(2.0),
    "tasks": Room(10.0, 0.25),
}
"""There are about as many tasks as turns under way, which chance varies. There are as many
connections as posts were under way at once in the last half minute, which a busy machine
varies, too; that none is left over is seen once all is quiet."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`held` by the name of the process; `taken`: events that the receiver had by then."""

    at_s: float
    taken: int
    held: Mapping[str, Held]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Medians of the first and the last third after the warm-up."""

    process: str
    what: str
    first: float
    last: float

    @property
    def flat(self) -> bool:
        room = ROOMS.get(self.what)
        return room is None or self.last - self.first <= max(room.number, self.first * room.share)

    @property
    def verdict(self) -> str:
        if self.what not in ROOMS:
            return ""
        return "flat" if self.flat else "GROWS"


def trends(samples: Sequence[Sample]) -> Iterator[Trend]:
    """Of every process and everything it holds; of no samples, none."""
    if not samples:
        return
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = max(1, len(warm) // 3)
    for process in sorted(warm[0].held):
        for what in ("rss_mb", "files", "threads", "tasks", "connections"):
            values = [float(getattr(sample.held[process], what)) for sample in warm]
            yield Trend(
                process=process,
                what=what,
                first=median(values[:third]),
                last=median(values[-third:]),
            )
