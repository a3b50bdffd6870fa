"""The one place that a live relay takes."""

import asyncio
from collections.abc import Callable

from agent_runtime.server.relay_session import RelaySession


class RelayTaken(Exception):
    """A live relay is attached already."""


class RelaySlot:
    """Who relays now. Event loop only."""

    def __init__(self) -> None:
        self._session: RelaySession | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._taken = asyncio.Event()
        self._closed = False

    @property
    def attached(self) -> bool:
        return self._session is not None

    async def wait_free(self) -> None:
        await self._free.wait()

    async def wait_taken(self) -> None:
        await self._taken.wait()

    def enter(self, make: Callable[[], RelaySession]) -> RelaySession:
        """Raises RelayTaken while another session lives, or the runtime is going."""
        if self._session is not None or self._closed:
            raise RelayTaken("another relay is attached")
        self._session = make()
        self._free.clear()
        self._taken.set()
        return self._session

    def leave(self) -> None:
        self._session = None
        self._taken.clear()
        self._free.set()

    def close(self) -> None:
        """End the session that is attached; take no other."""
        self._closed = True
        if self._session is not None:
            self._session.end()
