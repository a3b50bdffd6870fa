"""One gateway's stream: its life, and its death."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Mark
from agent_runtime.server.relay_turns import RelayTurns, Write
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)

SILENCE_S = 10.0
"""A relay that has turns open and says nothing for so long is dead."""
STALL_S = 60.0
"""So is one that holds events and settles, fails or parks none for so long."""
AFTERLIFE_S = 10.0
"""How long the marks of a dead relay are still read, when none takes its place."""
REPLACED_S = 1.0
"""How long, when one does, or when it is heard of again."""


class RelayDead(Exception):
    """The relay is not taken for one any more; says why."""


class RelaySession:
    """Owned by the task of its call, which ends when any of reading, sending or life ends.

    A dead relay is sent nothing more, and another may take its place; its marks still
    count for a while, its failures, parks and abandons do not.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        hello: relay_pb2.Hello,
        write: Write,
        silence_s: float = SILENCE_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._hello = hello
        self._write = write
        self._silence_s = silence_s
        self._stall_s = stall_s
        self._turns = RelayTurns(journal, write)
        self._heard = self._moved = time.monotonic()
        self._dead = False
        self._ended = asyncio.Event()
        self._leaving = asyncio.Event()

    def end(self) -> None:
        """Make `run` return soon: the runtime is going."""
        self._ended.set()

    def replace(self) -> None:
        """Another relay has the place of this dead one."""
        self._leaving.set()

    async def run(
        self, requests: AsyncIterator[relay_pb2.RelayUp], died: Callable[[], None]
    ) -> None:
        """Until the gateway closes or breaks its side, or `end`; `died` is called once if it dies.

        Raises:
            RelayDead: it was silent or stalled for too long.
        """
        reading = asyncio.create_task(self._read(requests), name="relay-read")
        ended = asyncio.create_task(self._ended.wait(), name="relay-end")
        try:
            reason = await self._live(reading, ended)
            if reason:
                self._dead = True
                log.warning("relay_dead", extra={"reason": reason})
                died()
                await self._outlive(reading, ended)
                raise RelayDead(reason)
        finally:
            self._turns.close()
            await _cancel(reading, ended)

    async def _live(self, *ends: "asyncio.Task[object]") -> str:
        """Until one of these ends: ""; or until the relay is dead: why."""
        sending = asyncio.create_task(self._send(), name="relay-send")
        guarding = asyncio.create_task(self._guard(), name="relay-guard")
        tasks = {sending, guarding, *ends}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            return guarding.result() if guarding in done else ""
        finally:
            await _cancel(sending, guarding)

    async def _outlive(self, *ends: "asyncio.Task[object]") -> None:
        """Read late marks, for a moment only once it is replaced or awake again."""
        leaving = asyncio.create_task(self._leaving.wait(), name="relay-leaving")
        try:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait({leaving, *ends}, timeout=AFTERLIFE_S, return_when=first)
            if leaving.done():
                await asyncio.wait(ends, timeout=REPLACED_S, return_when=first)
        finally:
            await _cancel(leaving)

    async def _send(self) -> None:
        await self._write(relay_pb2.RelayDown(hello=self._hello))
        await self._turns.run()

    async def _read(self, requests: AsyncIterator[relay_pb2.RelayUp]) -> None:
        async for up in requests:
            self._heard = time.monotonic()
            if self._dead:  # it is awake again, and has to hear soon that it begins anew
                self._leaving.set()
            which = up.WhichOneof("message")
            if which == "ack":
                self._mark(Mark(up.ack.request_id, up.ack.generation, up.ack.seq))
            elif which == "reject":
                told = up.reject
                self._mark(Mark(told.request_id, told.generation, told.seq, told.status))
            elif not self._dead:
                self._take(which, up)

    def _mark(self, mark: Mark) -> None:
        self._moved = self._heard
        self._turns.mark(mark)

    def _take(self, which: str | None, up: relay_pb2.RelayUp) -> None:
        match which:
            case "failed":
                self._moved = self._heard
                self._turns.fail(up.failed)
            case "park":
                self._moved = self._heard
                self._turns.park(up.park)
            case "abandon":
                self._moved = self._heard
                self._turns.abandon(up.abandon)

    async def _guard(self) -> str:
        """Returns why the relay is dead."""
        while True:
            now = time.monotonic()
            if not self._turns.any_open:
                self._heard = now
            if not self._turns.any_flying:
                self._moved = now
            if now - self._heard >= self._silence_s:
                return f"silent for {now - self._heard:.0f} s"
            if now - self._moved >= self._stall_s:
                return f"holds events and settled none for {now - self._moved:.0f} s"
            await asyncio.sleep(min(self._silence_s, self._stall_s) / 10)


async def _cancel(*tasks: "asyncio.Task[object]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
