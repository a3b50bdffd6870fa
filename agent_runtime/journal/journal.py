"""The journal as the rest of the runtime sees it."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from agent_runtime.errors import Exhausted
from agent_runtime.journal import deliveries, retention, schema, statements
from agent_runtime.journal.bookmarks import BookmarkBook
from agent_runtime.journal.cursor import MAX_SEQ, Cursor
from agent_runtime.journal.history import HistoryBook
from agent_runtime.journal.outstanding import Outstanding
from agent_runtime.journal.prompts import PromptBook
from agent_runtime.journal.rows import (
    Acceptance,
    Command,
    Failure,
    Mark,
    Prompt,
    Turn,
)
from agent_runtime.journal.snapshots import SnapshotBook
from agent_runtime.journal.space import Space
from agent_runtime.journal.ticket_budget import NO_BUDGET, TicketBudget
from agent_runtime.journal.watch import Watch
from agent_runtime.journal.writer import Operation, Writer
from proto.agent.v1.agent_pb2 import AgentRequest
from proto.relay.v1 import relay_pb2

T = TypeVar("T")

NO_FACTS: Mapping[str, str] = {}


class Journal:
    """Owned by the event loop; all writing goes through one writer, reading through cursors."""

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = retention.MAX_BYTES,
        tickets: TicketBudget = NO_BUDGET,
    ) -> None:
        """Raises JournalBroken. The caller holds the folder's lock."""
        self._tickets = tickets
        self._reader = schema.connect(folder)
        self._writer = Writer(schema.connect(folder))
        self._watches: set[Watch] = set()
        self.history = HistoryBook(self._reader)
        self.bookmarks = BookmarkBook(self._reader, self._writer)
        self.outstanding = Outstanding(self._reader)
        self.prompts = PromptBook(self._reader, self._writer)
        self.snapshots = SnapshotBook(self._reader, self._writer)
        self._space = Space(self._reader, self._writer, max_bytes)
        self._tails: dict[int, list[statements.NewRow]] = {}

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
        """Raises Exhausted, Invalid; of a reply also UnknownPrompt, Answered, TooLate."""
        await self._refuse_when_full(command)
        size = command.request.ByteSize()
        self._space.sent(size)
        accepted = self._writer.submit(lambda c: statements.accept(c, command, self._tickets))
        accepted.add_done_callback(lambda future: self._accepted(size, command, future))
        return await accepted

    async def start_turn(self, turn: int) -> None:
        await self._writer.submit(lambda c: statements.start(c, turn))

    @property
    def has_room(self) -> bool:
        """Whether an event may be appended now."""
        return self._space.has_room

    async def room(self) -> None:
        """Wait until an event may be appended."""
        await self._space.room()

    def append(
        self, turn: int, body: bytes, *, wanted: bool = True, prompt: Prompt | None = None
    ) -> None:
        """Hand over an event, for which there is room; it is on disk soon, and then seen.

        `wanted` False: it is kept for replay and not delivered. `prompt`: what it asks, to
        which a reply is taken from the moment in which the event is seen.
        """
        tail = self._tails.get(turn)
        if tail is None or prompt is not None:
            self._begin_tail(turn, (body, wanted), prompt)
        else:
            tail.append((body, wanted))
        self._space.sent(len(body))

    async def finish(
        self, turn: int, final: bytes, outcome: int, *, facts: Mapping[str, str] = NO_FACTS
    ) -> int:
        """Append the final, end the turn and put the facts; returns the final's seq."""
        finishing = self._change(turn, lambda c: statements.finish(c, turn, final, outcome, facts))
        seq, more_bytes = await finishing
        self._space.kept(more_bytes)
        return seq

    def mark(self, turn: int, mark: Mark) -> "asyncio.Future[None]":
        """Soon on disk: what is lost of it with this process is delivered again."""
        return self._change(turn, lambda c: deliveries.mark(c, mark), urgent=False)

    def fail(self, turn: int, failure: Failure) -> "asyncio.Future[None]":
        """Count a failed attempt; park the turn if the next one waits."""
        return self._change(turn, lambda c: deliveries.fail(c, failure))

    def abandon(
        self, turn: int, *, request_id: str, generation: int, reason: str
    ) -> "asyncio.Future[None]":
        return self._change(turn, lambda c: deliveries.abandon(c, request_id, generation, reason))

    async def redeliver(self, request_id: str, from_seq: int, ticket: bytes | None) -> int:
        """Begin a turn's deliveries anew; returns the new generation.

        Raises:
            UnknownTurn, Trimmed, Invalid, Exhausted: nothing has changed.
        """
        redelivering = self._writer.submit(
            lambda c: deliveries.redeliver(c, request_id, from_seq, ticket, self._tickets)
        )
        redelivering.add_done_callback(self._redelivered)
        # A caller that goes away does not undo it: the relay has to learn of it all the same.
        return (await asyncio.shield(redelivering))[1]

    async def put_fact(self, name: str, value: str) -> None:
        await self._writer.submit(lambda c: statements.put_fact(c, name, value))

    async def caught_up(self) -> None:
        """Wait until all that was asked for so far is on disk, or refused."""
        await self._writer.submit(lambda _: None)

    async def trim(self) -> None:
        """Remove what age and number let go; what the size lets go, goes by itself."""
        await self._space.trim_old()

    # Reading: what is committed.

    def turn(self, request_id: str) -> Turn:
        """Raises UnknownTurn."""
        return statements.require(statements.find(self._reader, request_id), request_id)

    def request_of(self, turn: int) -> AgentRequest:
        """The command of a turn that has not ended yet."""
        return statements.request_of(self._reader, turn)

    def turns(self, *, limit: int, before: str = "") -> list[Turn]:
        """The newest, or the newest that came before one; in order of arrival.

        Raises:
            UnknownTurn: there is no turn `before`.
        """
        end = self.turn(before).turn if before else MAX_SEQ
        newest = "SELECT turn FROM turns WHERE turn < ? ORDER BY turn DESC LIMIT ?"
        return statements.turns(self._reader, f"turn IN ({newest})", (end, limit))

    def open_turns(self) -> list[Turn]:
        """Those without a final, in order of arrival."""
        return statements.turns(
            self._reader, "settled = 0 AND state != ?", (relay_pb2.TURN_STATE_ENDED,)
        )

    def latest_seq(self) -> int:
        """The highest seq given so far, 0 for none."""
        return statements.latest_seq(self._reader)

    def fact(self, name: str) -> str:
        """Empty when it was never put."""
        row = self._reader.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def cursor(
        self,
        turn: int | None,
        after_seq: int | None,
        *,
        whole: bool = False,
        wanted: bool = False,
    ) -> Cursor:
        """Begin after `after_seq`; None: with the oldest row kept. Else as Cursor."""
        return Cursor(self._reader, turn, after_seq, whole=whole, wanted=wanted)

    def watch(self) -> Watch:
        """Close it when done."""
        watch = Watch(self._watches.discard)
        self._watches.add(watch)
        return watch

    async def _refuse_when_full(self, command: Command) -> None:
        """A repeat takes no room. Raises Exhausted."""
        if self._space.stuck or (command.kind.queued and self._space.behind):
            raise Exhausted("this agent's journal cannot be written fast enough; repeat later")
        if not command.kind.queued or not self._space.full:
            return
        await self._space.trim()
        if self._space.full and not statements.find(self._reader, command.request.request_id):
            raise Exhausted("this agent's journal is full of undelivered events; repeat later")

    def _change(
        self, turn: int, operation: Operation[T], *, urgent: bool = True
    ) -> "asyncio.Future[T]":
        """Watches are told from the future, for its caller may be gone by then."""
        future = self._writer.submit(operation, urgent=urgent)
        future.add_done_callback(lambda done: self._changed(turn, done))
        return future

    def _changed(self, turn: int, future: "asyncio.Future[T]") -> None:
        if not future.cancelled():
            future.exception()  # a mark that was not written is sent again: nobody has to look
        self._note(turn)

    def _begin_tail(self, turn: int, first: statements.NewRow, prompt: Prompt | None) -> None:
        """Events that come until the commit begins are written with this one."""
        rows = [first]
        self._tails[turn] = rows
        written = self._writer.submit(
            lambda c: statements.append(c, turn, rows, prompt),
            on_take=lambda: self._tails.pop(turn, None),
        )
        written.add_done_callback(lambda future: self._appended(turn, rows, future))

    def _appended(
        self, turn: int, rows: list[statements.NewRow], future: "asyncio.Future[int]"
    ) -> None:
        size = sum(len(body) for body, _ in rows)
        self._space.written(size)
        if future.exception() is None:
            self._space.kept(size)
        self._note(turn)

    def _accepted(self, size: int, command: Command, future: "asyncio.Future[Acceptance]") -> None:
        self._space.written(size)
        if future.cancelled() or future.exception() is not None:
            return
        accepted = future.result()
        if accepted.result == relay_pb2.SubmitResponse.RESULT_ACCEPTED:
            self._space.kept(command.request.ByteSize())
        self._note(accepted.turn.turn)

    def _redelivered(self, future: "asyncio.Future[tuple[int, int]]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._note(future.result()[0])

    def _note(self, turn: int) -> None:
        self._space.look_again()
        for watch in self._watches:
            watch.note(turn)
