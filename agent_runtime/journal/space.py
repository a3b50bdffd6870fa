"""How much a journal holds, and making room by letting go of what was delivered."""

import asyncio
import sqlite3
from dataclasses import replace
from functools import partial

from agent_runtime.journal import retention
from agent_runtime.journal.statements import now_ms
from agent_runtime.journal.writer import Writer

MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024
"""Events and commands that may wait for a commit; beyond, there is room for no more."""

RESERVE_BYTES = 8 * 1024 * 1024
"""Kept free for finals, and for short commands, when the journal is full."""


class Space:
    """Bytes on disk and on their way there. Owned by the journal, in the event loop."""

    def __init__(self, reader: sqlite3.Connection, writer: Writer, max_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._kept_bytes = retention.kept_bytes(reader)
        self._unwritten_bytes = 0
        self._changed = asyncio.Event()
        self._trimming: asyncio.Task[None] | None = None

    @property
    def full(self) -> bool:
        """Only the reserve is left."""
        return self._excess_bytes > 0

    @property
    def behind(self) -> bool:
        """The writer has more to do than it should."""
        return self._unwritten_bytes > MAX_UNWRITTEN_BYTES

    @property
    def stuck(self) -> bool:
        """So much more that not even a short command may be added."""
        return self._unwritten_bytes > MAX_UNWRITTEN_BYTES + RESERVE_BYTES

    @property
    def has_room(self) -> bool:
        """Whether an event may be appended now."""
        return not self.full and not self.behind

    async def room(self) -> None:
        """Wait until there is."""
        while not self.has_room:
            self._changed.clear()
            if self.full:
                await self.trim()
            if not self.has_room:
                await self._changed.wait()

    def sent(self, size_bytes: int) -> None:
        """So much was handed to the writer."""
        self._unwritten_bytes += size_bytes

    def written(self, size_bytes: int) -> None:
        """So much of what was sent has left the writer, whether or not it is kept."""
        self._unwritten_bytes -= size_bytes

    def kept(self, size_bytes: int) -> None:
        """The tables hold so much more, or less."""
        self._kept_bytes += size_bytes

    def look_again(self) -> None:
        """Something was committed: there may be room, or something to let go of."""
        self._changed.set()

    async def trim(self) -> None:
        """Remove what the size bound lets go; little work when that is nothing."""
        if self._trimming is None:
            self._trimming = asyncio.create_task(self._trim_excess(), name="journal-trim")
            self._trimming.add_done_callback(self._trimmed)
        await asyncio.shield(self._trimming)

    async def trim_old(self) -> None:
        """Remove what age and number let go."""
        bounds = retention.by_age(self._reader, now_ms())
        await self._trim(bounds)
        while await self._writer.submit(partial(retention.forget, bounds=bounds)):
            pass

    @property
    def _excess_bytes(self) -> int:
        return self._kept_bytes + self._unwritten_bytes + RESERVE_BYTES - self._max_bytes

    async def _trim_excess(self) -> None:
        """A little more than needed, so that not every event trims again."""
        excess = self._excess_bytes
        if excess > 0:
            await self._trim(retention.Bounds(excess_bytes=excess + self._max_bytes // 20))

    def _trimmed(self, trimming: "asyncio.Task[None]") -> None:
        self._trimming = None
        if not trimming.cancelled():
            trimming.exception()  # told to whoever waits; by now that may be nobody

    async def _trim(self, bounds: retention.Bounds) -> None:
        while retention.may_trim(self._reader, bounds):
            freed = await self._writer.submit(partial(retention.trim, bounds=bounds))
            self._kept_bytes -= freed
            bounds = replace(bounds, excess_bytes=bounds.excess_bytes - freed)
