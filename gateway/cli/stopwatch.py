"""How long turns take, seen from here."""

import time
from collections import OrderedDict
from collections.abc import Callable

Turn = tuple[str, str]
"""Agent and request id."""

_RUNNING = 1000


class Stopwatch:
    """One time a turn, the oldest forgotten when there are too many. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started_s: OrderedDict[Turn, float] = OrderedDict()

    def start(self, turn: Turn) -> None:
        """From now on, unless its time is running already."""
        self._started_s.setdefault(turn, self._clock())
        if len(self._started_s) > _RUNNING:
            self._started_s.popitem(last=False)

    def stop(self, turn: Turn) -> float:
        """Seconds since its start, 0.0 for a turn that is not known."""
        now = self._clock()
        return now - self._started_s.pop(turn, now)
