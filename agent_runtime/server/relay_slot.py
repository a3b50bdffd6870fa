"""The one place that a live relay takes."""

import asyncio
from collections.abc import Callable

from agent_runtime.server.relay_session import RelaySession


class RelayTaken(Exception):
    """A live relay is attached already."""


class RelaySlot:
    """Who relays now, and who did until it died. Event loop only."""

    def __init__(self) -> None:
        self._session: RelaySession | None = None
        self._dead: set[RelaySession] = set()
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
        for dead in self._dead:
            dead.replace()
        self._session = make()
        self._free.clear()
        self._taken.set()
        return self._session

    def died(self, session: RelaySession) -> None:
        """Another may take its place, while it is still read."""
        self._dead.add(session)
        self._vacate()

    def leave(self, session: RelaySession) -> None:
        """Its call is over."""
        self._dead.discard(session)
        if self._session is session:
            self._vacate()

    def close(self) -> None:
        """End the session that is attached, and the dead; take no other."""
        self._closed = True
        for session in (self._session, *self._dead):
            if session is not None:
                session.end()

    def _vacate(self) -> None:
        self._session = None
        self._taken.clear()
        self._free.set()
