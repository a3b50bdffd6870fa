"""A moment by which something must have happened."""

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `missed` once, unless it is met or set anew before. Touched on the loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, missed: Callable[[], None]) -> None:
        self._loop = loop
        self._missed = missed
        self._timer: asyncio.TimerHandle | None = None

    @property
    def pending(self) -> bool:
        return self._timer is not None

    def set(self, after_s: float) -> None:
        """From now on; the one set before counts no more."""
        self.met()
        self._timer = self._loop.call_later(after_s, self._expire)

    def met(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        self._missed()
