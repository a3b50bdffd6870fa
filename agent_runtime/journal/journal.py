"""The journal as the rest of the runtime sees it."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from agent_runtime.errors import Exhausted
from agent_runtime.journal import retention, schema, statements
from agent_runtime.journal.cursor import Cursor
from agent_runtime.journal.rows import Acceptance, Command, Mark, Turn
from agent_runtime.journal.writer import Operation, Writer
from proto.agent.v1.agent_pb2 import AgentRequest
from proto.relay.v1 import relay_pb2

T = TypeVar("T")

MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024
"""Events that may wait for a commit; beyond, appending waits."""

RESERVE_BYTES = 8 * 1024 * 1024
"""Kept free for finals when the journal is full."""


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

    async def changed(self) -> set[int]:
        """Wait for a change since the last time; the turns it was in."""
        await self._event.wait()
        self._event.clear()
        turns, self._turns = self._turns, set()
        return turns

    def close(self) -> None:
        self._forget(self)


class Journal:
    """Owned by the event loop; all writing goes through one writer, reading through cursors."""

    def __init__(self, folder: Path, *, max_bytes: int = retention.MAX_BYTES) -> None:
        """Raises JournalBroken. The caller holds the folder's lock."""
        self._reader = schema.connect(folder)
        self._writer = Writer(schema.connect(folder))
        self._watches: set[Watch] = set()
        self._max_bytes = max_bytes
        self._stored_bytes = retention.stored_bytes(self._reader)
        self._unwritten_bytes = 0
        self._room = asyncio.Event()
        self._tails: dict[int, list[bytes]] = {}
        self._trimming: asyncio.Future[int] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Commit what is waiting; end the writer's thread."""
        await self._writer.close()
        self._reader.close()

    # Changes: durable when what they return is done, and only then visible.

    async def accept(self, command: Command) -> Acceptance:
        """Raises Exhausted, Invalid."""
        if self._unwritten_bytes > MAX_UNWRITTEN_BYTES:
            raise Exhausted("this agent's journal cannot be written fast enough; repeat later")
        if command.kind.queued and self._full:
            await self.trim()
            if self._full:
                raise Exhausted("this agent's journal is full of undelivered events; repeat later")
        size = command.request.ByteSize()
        self._unwritten_bytes += size
        accepted = self._writer.submit(lambda c: statements.accept(c, command))
        accepted.add_done_callback(lambda future: self._accepted(size, future))
        return await accepted

    async def start_turn(self, turn: int) -> None:
        await self._writer.submit(lambda c: statements.start(c, turn))

    async def append(self, turn: int, body: bytes) -> None:
        """Hand over an event; returns once there is room for the next, not when it is on disk."""
        tail = self._tails.get(turn)
        if tail is None:
            self._begin_tail(turn, body)
        else:
            tail.append(body)
        self._unwritten_bytes += len(body)
        while self._unwritten_bytes > MAX_UNWRITTEN_BYTES or self._full:
            self._room.clear()
            if self._full:
                await self.trim()
            if self._unwritten_bytes > MAX_UNWRITTEN_BYTES or self._full:
                await self._room.wait()

    async def finish(self, turn: int, final: bytes, outcome: int) -> int:
        """Append the final and end the turn; returns its seq."""
        finished = self._change(turn, lambda c: statements.finish(c, turn, final, outcome))
        seq = await finished
        self._stored_bytes += len(final)
        return seq

    def mark(self, turn: int, mark: Mark) -> "asyncio.Future[None]":
        return self._change(turn, lambda c: statements.mark(c, mark))

    def abandon(
        self, turn: int, *, request_id: str, generation: int, reason: str
    ) -> "asyncio.Future[None]":
        return self._change(turn, lambda c: statements.abandon(c, request_id, generation, reason))

    async def put_fact(self, name: str, value: str) -> None:
        await self._writer.submit(lambda c: statements.put_fact(c, name, value))

    async def trim(self) -> None:
        """Remove what retention lets go."""
        excess = 0
        if self._full:  # a little more than needed, so that not every event trims again
            excess = self._excess_bytes + self._max_bytes // 20
        trim = partial(retention.trim, now_ms=statements.now_ms(), excess_bytes=excess)
        if self._trimming is None or self._trimming.done():
            self._trimming = self._writer.submit(trim)
            self._trimming.add_done_callback(self._trimmed)
        await asyncio.shield(self._trimming)

    # Reading: what is committed.

    def turn(self, request_id: str) -> Turn:
        """Raises UnknownTurn."""
        return statements.require(statements.find(self._reader, request_id), request_id)

    def request_of(self, turn: int) -> AgentRequest:
        """The command of a turn that is not settled yet."""
        return statements.request_of(self._reader, turn)

    def turns(self) -> list[Turn]:
        """All that are known, in order of arrival."""
        return self._turns("1 = 1", ())

    def open_turns(self) -> list[Turn]:
        """Those without a final, in order of arrival."""
        return self._turns("settled = 0 AND state != ?", (relay_pb2.TURN_STATE_ENDED,))

    def undelivered(self, after_turn: int = 0) -> list[Turn]:
        """Those that a relay has to deliver, in order of arrival."""
        return self._turns(
            "settled = 0 AND ticket IS NOT NULL AND abandoned IS NULL AND turn > ?", (after_turn,)
        )

    def has_undelivered(self) -> bool:
        row = self._reader.execute(
            "SELECT 1 FROM turns WHERE settled = 0 AND ticket IS NOT NULL AND abandoned IS NULL"
        ).fetchone()
        return row is not None

    def has_unsettled(self) -> bool:
        row = self._reader.execute("SELECT 1 FROM turns WHERE settled = 0 LIMIT 1").fetchone()
        return row is not None

    def rejected(self, turn: int) -> list[int]:
        """The seqs that the receiver refused for good."""
        rows = self._reader.execute("SELECT seq FROM rejects WHERE turn = ? ORDER BY seq", (turn,))
        return [seq for (seq,) in rows]

    def latest_seq(self) -> int:
        """The highest seq given so far, 0 for none."""
        row = self._reader.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        found = row.fetchone()
        return int(found[0]) if found else 0

    def fact(self, name: str) -> str:
        """Empty when it was never put."""
        row = self._reader.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def cursor(self, turn: int | None, after_seq: int | None, *, whole: bool = False) -> Cursor:
        """Begin after `after_seq`; None: with the oldest row kept.

        `whole`: raise Trimmed instead of passing over rows that are not kept any more.
        """
        return Cursor(self._reader, turn, after_seq or 0, whole=whole)

    def watch(self) -> Watch:
        """Close it when done."""
        watch = Watch(self._watches.discard)
        self._watches.add(watch)
        return watch

    @property
    def _full(self) -> bool:
        return self._excess_bytes > 0

    @property
    def _excess_bytes(self) -> int:
        return self._stored_bytes + self._unwritten_bytes + RESERVE_BYTES - self._max_bytes

    def _turns(self, where: str, given: tuple[object, ...]) -> list[Turn]:
        rows = self._reader.execute(
            f"SELECT {Turn.COLUMNS} FROM turns WHERE {where} ORDER BY turn",  # noqa: S608 - ours
            given,
        )
        return [Turn.read(row) for row in rows]

    def _change(self, turn: int, operation: Operation[T]) -> "asyncio.Future[T]":
        """Watches are told from the future, for its caller may be gone by then."""
        future = self._writer.submit(operation)
        future.add_done_callback(lambda _: self._note(turn))
        return future

    def _begin_tail(self, turn: int, body: bytes) -> None:
        """Events that come until the commit begins are written with this one."""
        bodies = [body]
        self._tails[turn] = bodies
        written = self._writer.submit(
            lambda c: statements.append(c, turn, bodies),
            on_take=lambda: self._tails.pop(turn, None),
        )
        written.add_done_callback(lambda future: self._appended(turn, bodies, future))

    def _appended(self, turn: int, bodies: list[bytes], future: "asyncio.Future[int]") -> None:
        size = sum(map(len, bodies))
        self._unwritten_bytes -= size
        if future.exception() is None:
            self._stored_bytes += size
        self._note(turn)

    def _accepted(self, size: int, future: "asyncio.Future[Acceptance]") -> None:
        self._unwritten_bytes -= size
        if not future.cancelled() and future.exception() is None:
            self._note(future.result().turn.turn)

    def _trimmed(self, future: "asyncio.Future[int]") -> None:
        """Here and not after the wait: its caller may have gone by then."""
        if not future.cancelled() and future.exception() is None:
            self._stored_bytes -= future.result()

    def _note(self, turn: int) -> None:
        self._room.set()
        for watch in self._watches:
            watch.note(turn)
