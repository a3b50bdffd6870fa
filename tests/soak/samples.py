"""What processes use, taken now and then, and whether it grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.peers.processes import Usage

_WARM_UP = 0.3
"""This share of the samples, at the start, is left out: caches and pools fill first."""
_GROWTH = 0.05
_ROOM_BYTES = 4 * 1024 * 1024
_ROOM_FILES = 64
"""Kept-alive connections: as many as posts were ever under way at once, and a machine that is
busy with something else makes that more."""
_ROOM_THREADS = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """`usage` by the name of the process; `taken`: events that the receiver had by then."""

    at_s: float
    taken: int
    usage: Mapping[str, Usage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Medians of the first and the last third after the warm-up. `room`: what it may grow by."""

    process: str
    what: str
    first: float
    last: float
    room: float

    @property
    def flat(self) -> bool:
        return self.last - self.first <= self.room


def trends(samples: Sequence[Sample]) -> Iterator[Trend]:
    """Of every process and everything it uses."""
    warm = samples[int(len(samples) * _WARM_UP) :]
    third = max(1, len(warm) // 3)
    for process in sorted(warm[0].usage):
        first = [sample.usage[process] for sample in warm[:third]]
        last = [sample.usage[process] for sample in warm[-third:]]
        for what in ("rss_bytes", "fds", "threads"):
            began = median(getattr(usage, what) for usage in first)
            room = {
                "rss_bytes": max(_ROOM_BYTES, began * _GROWTH),
                "fds": _ROOM_FILES,
                "threads": _ROOM_THREADS,
            }[what]
            yield Trend(
                process=process,
                what=what,
                first=began,
                last=median(getattr(usage, what) for usage in last),
                room=room,
            )
