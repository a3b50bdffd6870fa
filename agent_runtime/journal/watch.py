"""How readers learn of what has been committed."""

import asyncio
from collections.abc import Callable


class Watch:
    """Tells one reader which turns changed on disk. Owned by that reader."""

    def __init__(self, forget: Callable[["Watch"], None]) -> None:
        self._event = asyncio.Event()
        self._turns: set[int] = set()
        self._forget = forget

    def note(self, turn: int) -> None:
        """Mark a turn as changed; 0 only wakes."""
        if turn:
            self._turns.add(turn)
        self._event.set()

    async def changed(self, *, timeout_s: float | None = None) -> set[int]:
        """Wait for a change since the last time; the turns it was in, none when time is up."""
        if timeout_s is None:
            await self._event.wait()
        else:
            await self._wait_for(timeout_s)
        self._event.clear()
        turns, self._turns = self._turns, set()
        return turns

    def close(self) -> None:
        self._forget(self)

    async def _wait_for(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return
