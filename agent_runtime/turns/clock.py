"""How long a turn has been running."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class TurnClock:
    """Runs out after `limit_s` of running time. Event loop only."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._left_s = limit_s
        self._stops = 0
        self._on = False
        self._timer: asyncio.TimerHandle | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once the time is up."""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Around the turn."""
        self._on = True
        self._go()
        try:
            yield
        finally:
            self._on = False
            self._hold()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Around a wait that is not the turn's fault. May be entered by several at once."""
        self._stops += 1
        self._hold()
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops:
                self._go()

    def _go(self) -> None:
        if not self._on:
            return
        self._timer = asyncio.get_running_loop().call_later(self._left_s, self._end)

    def _hold(self) -> None:
        if self._timer is not None:
            self._left_s = max(0.0, self._timer.when() - asyncio.get_running_loop().time())
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        if not self.over.done():
            self.over.set_result(None)
