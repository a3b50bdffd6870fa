"""Waiting in tests: for a condition over what a peer has seen, never for time to pass."""

import asyncio
from collections.abc import Callable


class Noticed:
    """Told of every change by its owner; tests wait with it until a condition holds."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        self._changed.set()

    async def until(self, holds: Callable[[], bool], *, within_s: float = 10.0) -> None:
        """Raises TimeoutError when the condition does not come to hold in time."""
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()
