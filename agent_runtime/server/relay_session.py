"""One gateway's stream: turns and events down, marks up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Mark, Turn
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.relay_window import Window
from proto.relay.v1 import relay_pb2

SILENCE_S = 10.0
"""A relay that has events to deliver and says nothing for so long is dead."""


class RelayDead(Exception):
    """The relay showed no sign of life while something was undelivered."""


class RelaySession:
    """Owned by the task of its call, which ends when any of reading, writing or life ends."""

    def __init__(
        self,
        *,
        journal: Journal,
        agent_id: str,
        write: Callable[[relay_pb2.RelayDown], Awaitable[None]],
        silence_s: float = SILENCE_S,
    ) -> None:
        self._journal = journal
        self._agent_id = agent_id
        self._write = write
        self._silence_s = silence_s
        self._watch = journal.watch()
        self._windows: dict[int, Window] = {}
        self._by_request: dict[str, Window] = {}
        self._last_turn = 0
        self._heard = time.monotonic()
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Make `run` return soon: the runtime is going."""
        self._ended.set()

    async def run(self, requests: AsyncIterator[relay_pb2.RelayUp]) -> None:
        """Until the gateway closes or breaks its side, or `end`.

        Raises:
            RelayDead: it has been silent for too long.
        """
        tasks = {
            asyncio.create_task(self._read(requests), name="relay-read"),
            asyncio.create_task(self._send_all(), name="relay-send"),
            asyncio.create_task(self._guard(), name="relay-guard"),
            asyncio.create_task(self._ended.wait(), name="relay-end"),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._watch.close()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _read(self, requests: AsyncIterator[relay_pb2.RelayUp]) -> None:
        async for up in requests:
            self._heard = time.monotonic()
            match up.WhichOneof("message"):
                case "ack":
                    self._mark(Mark(up.ack.request_id, up.ack.generation, up.ack.seq))
                case "reject":
                    reject = up.reject
                    self._mark(
                        Mark(reject.request_id, reject.generation, reject.seq, reject.status)
                    )
                case "abandon":
                    self._abandon(up.abandon)

    def _mark(self, mark: Mark) -> None:
        window = self._by_request.get(mark.request_id)
        if window is None or window.generation != mark.generation:
            return
        if not window.settle(mark.seq):
            return
        marking = self._journal.mark(window.turn, mark)
        if window.done:
            marking.add_done_callback(lambda _: self._forget(window))

    def _abandon(self, abandon: relay_pb2.Abandon) -> None:
        window = self._by_request.get(abandon.request_id)
        if window is None or window.generation != abandon.generation:
            return
        abandoning = self._journal.abandon(
            window.turn,
            request_id=abandon.request_id,
            generation=abandon.generation,
            reason=abandon.reason,
        )
        abandoning.add_done_callback(lambda _: self._forget(window))

    def _forget(self, window: Window) -> None:
        """Only once that is on disk, so that `idle` is true after a crash too."""
        self._windows.pop(window.turn, None)
        self._by_request.pop(window.request_id, None)
        self._watch.note(window.turn)

    async def _send_all(self) -> None:
        hello = relay_pb2.Hello(agent_id=self._agent_id)
        await self._write(relay_pb2.RelayDown(hello=hello))
        changed: set[int] = set()
        idle = False
        while True:
            changed |= await self._open_turns()
            for turn in changed:
                await self._send_turn(turn)
            if not self._windows and not idle:
                await self._write(relay_pb2.RelayDown(idle=relay_pb2.Idle()))
            idle = not self._windows
            changed = await self._watch.changed()

    async def _open_turns(self) -> set[int]:
        """Tell of turns that came since; returns them."""
        opened: set[int] = set()
        for turn in self._journal.undelivered(self._last_turn):
            if not self._windows:
                self._heard = time.monotonic()
            window = Window(turn, self._journal.cursor(turn.turn, turn.acked_seq))
            self._windows[turn.turn] = window
            self._by_request[turn.request_id] = window
            self._last_turn = turn.turn
            opened.add(turn.turn)
            await self._write(relay_pb2.RelayDown(turn=_open(turn)))
        return opened

    async def _send_turn(self, turn: int) -> None:
        window = self._windows.get(turn)
        while window is not None and (rows := window.take()):
            events = relay_pb2.Events(events=[row.response for row in rows])
            await self._write(relay_pb2.RelayDown(events=events))

    async def _guard(self) -> None:
        while True:
            quiet_s = time.monotonic() - self._heard
            if self._windows and quiet_s >= self._silence_s:
                raise RelayDead(f"silent for {quiet_s:.0f} s")
            await asyncio.sleep(self._silence_s / 10)


def _open(turn: Turn) -> relay_pb2.OpenTurn:
    return relay_pb2.OpenTurn(
        request_id=turn.request_id,
        ticket=turn.ticket or b"",
        generation=turn.generation,
        acked_seq=turn.acked_seq,
        age_ms=max(0, now_ms() - turn.created_ms),
    )
