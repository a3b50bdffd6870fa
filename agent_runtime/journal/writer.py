"""The one writer: gathers what is asked for while a commit is under way into the next one."""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from agent_runtime.errors import JournalBroken, JournalClosed, RuntimeFault

log = logging.getLogger(__name__)

T = TypeVar("T")
Operation = Callable[[sqlite3.Connection], T]
"""Statements of one change. Depends on nothing but the tables, so that it can be
repeated after a failed commit; raises RuntimeFault to refuse, before it has written anything."""

MAX_BATCH = 512
"""Operations a commit holds at most."""
PATIENCE_S = 0.05
"""How long what is not urgent waits for a commit to go with."""

_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 5.0
_CLOSE_TRIES = 3


@dataclass(slots=True)
class _Pending:
    operation: Operation[Any]
    future: asyncio.Future[Any]
    result: Any = None
    refusal: Exception | None = None
    broken: bool = False
    on_take: Callable[[], object] | None = None


@dataclass(slots=True)
class _Batch:
    entries: list[_Pending]
    error: sqlite3.Error | None = field(default=None)


class Writer:
    """Owns the writing connection. Used from the event loop; one thread runs the statements.

    A commit that fails (disk full, I/O error) publishes nothing and is tried
    again with the same operations until it succeeds or the writer is closed. An
    operation that fails by itself is refused, and holds no other up.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._batches: SimpleQueue[tuple[_Batch, asyncio.Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()
        self._waiting: list[_Pending] = []
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        self._worker: asyncio.Task[None] | None = None
        self._closing = False

    def submit(
        self,
        operation: Operation[T],
        *,
        on_take: Callable[[], object] | None = None,
        urgent: bool = True,
    ) -> "asyncio.Future[T]":
        """Put it into the next commit; the future is done once that is on disk.

        Until `on_take` is called, just before its commit begins, the owner may
        still change what the operation will write. What is not urgent makes no
        commit of its own for PATIENCE_S; order is kept all the same.
        """
        if self._closing:
            raise JournalClosed("the journal is closed")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Pending(operation, future, on_take=on_take))
        if urgent:
            self._hurry()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._hurry)
        return future

    async def close(self) -> None:
        """Commit what is waiting, then end the thread."""
        self._closing = True
        self._hurry()
        if self._worker is not None:
            await self._worker
        self._batches.put(None)
        self._thread.join()
        self._connection.close()

    def _hurry(self) -> None:
        """Commit what is waiting as soon as the commit under way has ended."""
        self._urgent = True
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="journal-writer")

    async def _work(self) -> None:
        while self._waiting and self._urgent:
            batch = _Batch(self._waiting[:MAX_BATCH])
            del self._waiting[:MAX_BATCH]
            self._urgent = bool(self._waiting)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            for entry in batch.entries:
                if entry.on_take is not None:
                    entry.on_take()
            await self._commit_at_last(batch)
            self._publish(batch)
        self._worker = None

    async def _commit_at_last(self, batch: _Batch) -> None:
        pause, tries_while_closing = _FIRST_RETRY_S, 0
        while True:
            await self._beside(batch)
            tries_while_closing += self._closing
            if batch.error is None or tries_while_closing == _CLOSE_TRIES:
                return
            log.error("journal_commit_failed", extra={"error": str(batch.error)})
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_S)

    async def _beside(self, batch: _Batch) -> None:
        """Commit in the thread. An executor does the same for three times the price."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batches.put((batch, done))
        await done

    def _serve(self) -> None:
        """The thread: one commit after the other."""
        while (given := self._batches.get()) is not None:
            batch, done = given
            fault: Exception | None = None
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                fault = error
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who waits
                done.get_loop().call_soon_threadsafe(_settle, done, fault)

    def _commit(self, batch: _Batch) -> None:
        batch.error = None
        try:
            while not self._run_all(batch):
                self._connection.execute("ROLLBACK")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            batch.error = error
            with contextlib.suppress(sqlite3.Error):  # it may have rolled back itself
                self._connection.execute("ROLLBACK")

    def _run_all(self, batch: _Batch) -> bool:
        """False when one failed by itself: what it wrote must go, so all begin again without it."""
        self._connection.execute("BEGIN IMMEDIATE")
        return all(self._run(entry) for entry in batch.entries if not entry.broken)

    def _run(self, entry: _Pending) -> bool:
        entry.refusal = None
        try:
            entry.result = entry.operation(self._connection)
        except RuntimeFault as refusal:
            entry.refusal = refusal
        except sqlite3.OperationalError:
            raise
        except Exception as error:
            log.exception("journal_operation_failed")
            entry.refusal = JournalBroken(f"cannot be written: {type(error).__name__}")
            entry.broken = True
        return not entry.broken

    def _publish(self, batch: _Batch) -> None:
        for entry in batch.entries:
            if entry.future.done():  # its caller has gone; what it asked for is on disk
                continue
            if batch.error is not None:
                entry.future.set_exception(JournalBroken(f"not written: {batch.error}"))
            elif entry.refusal is not None:
                entry.future.set_exception(entry.refusal)
            else:
                entry.future.set_result(entry.result)


def _settle(done: "asyncio.Future[None]", fault: Exception | None) -> None:
    if done.cancelled():
        return
    if fault is None:
        done.set_result(None)
    else:
        done.set_exception(fault)
