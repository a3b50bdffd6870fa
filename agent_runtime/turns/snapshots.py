"""When the workspace is looked at, so that what a turn changed can be told later.

A snapshot is taken when no turn has run for a while. Turns that follow each other
without a pause share one: nobody waits for git but a turn whose predecessors ran so
long that the wait is next to nothing. It counts only if no turn began before it was
done; so what lies between two of them is the work of the turns between, and of
whoever else wrote there in that time.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agent_runtime.errors import Exhausted, GitFailed, NoDiff
from agent_runtime.journal.rows import Snapshot
from agent_runtime.journal.snapshots import SnapshotBook
from agent_runtime.journal.statements import now_ms
from agent_runtime.workspace.changes import Changes, between
from agent_runtime.workspace.repository import EMPTY_TREE, Repository

log = logging.getLogger(__name__)

QUIET_S = 0.25
"""No turn runs for so long: then a snapshot is taken, unless the last ones were slow."""
_QUIET_COSTS = 10
"""A slow one is taken after so many times as long, so it never takes more than a tenth."""
_SHARE = 0.01
"""Of the time that turns have run since the last one, the next turn may be held up so much,"""
_LONGEST_S = 2.0
"""at most so long; the first turn of all waits so long for the state it begins with."""
_FIRST_COST_S = 0.1
_CHANGES_S = 20.0
_MAX_WAITING = 8
_FEWEST_KEPT = 10
_FAILURES = 3
"""So many in a row, for which time is not the reason: the repository is of no use any more."""


class Snapshots:
    """Takes them in a task of its own (`run`), before a turn in the runner's (`take_in_time`),
    and for whoever asks; one at a time. The runner tells when turns begin and end."""

    def __init__(self, book: SnapshotBook, repository: Repository) -> None:
        self._book = book
        self._repository = repository
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._quiet = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._taking: asyncio.Task[None] | None = None
        self._began_s: float | None = None
        self._turns = 0
        self._ran_s = 0.0
        self._cost_s = _FIRST_COST_S
        self._stale = True
        self._tried = False
        self._blank = book.first() is None
        self._trouble = ""
        self._failed_looks = self._failed_diffs = 0

    async def begin(self) -> None:
        """What the journal knows; a workspace in which nothing is yet needs no git."""
        if not self._repository.git.exists and any(
            snapshot.tree != EMPTY_TREE for snapshot in self._book.all()
        ):
            await self._book.forget()
            self._blank = True
        latest = self._book.latest()
        if latest is None and self._repository.untouched:
            await self._record(EMPTY_TREE, now_ms())
        else:
            self._stale = latest is None or bool(self._book.turns_after(latest.number))
        self._wait_for_quiet()

    async def run(self) -> None:
        """For life."""
        while True:
            await self._quiet.wait()
            self._quiet.clear()
            if self._stale and self._began_s is None:
                await self._take_aside()
            if self._repository.untidy:
                await self._tidy()

    @property
    def due(self) -> bool:
        """Whether the turn that is next has to wait for `take_in_time`."""
        return self._stale and not self._tried and self._patience_s > self._cost_s

    async def take_in_time(self) -> None:
        """Take one before the next turn, unless that lasts too long."""
        self._tried = True
        try:
            async with asyncio.timeout(self._patience_s):
                await self._attempt()
        except TimeoutError:
            log.info("snapshot_too_slow")

    def turn_began(self) -> None:
        """What is being looked at changes from now on."""
        self._began_s = time.monotonic()
        self._turns += 1
        self._stale = True
        if self._timer is not None:
            self._timer.cancel()
        if self._taking is not None:
            self._taking.cancel()

    def turn_ended(self) -> None:
        if self._began_s is not None:
            self._ran_s += time.monotonic() - self._began_s
        self._began_s = None
        self._tried = False
        self._wait_for_quiet()

    async def changes(self, before: Snapshot, until: int | None) -> tuple[Changes, int]:
        """What has changed up to the snapshot of that number, or, while there is none, up to now;
        and when that was, in Unix ms.

        Raises:
            NoDiff, GitFailed
            Exhausted: too many ask at the same time.
        """
        async with self._asking():
            end = None if until is None else self._book.numbered(until)
            tree, at_ms = (end.tree, end.taken_ms) if end else await self._look()
            return await self._between(before.tree, tree), at_ms

    async def first(self) -> Snapshot | None:
        """The oldest one; where there is none and no turn runs, it is taken now.

        Raises as `changes`.
        """
        if self._book.first() is None:
            async with self._asking():
                await self._look()
        return self._book.first()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Under the lock, in a bounded time, with few others."""
        if self._waiting >= _MAX_WAITING:
            raise Exhausted("too many ask for diffs of this agent; repeat later")
        self._waiting += 1
        try:
            async with asyncio.timeout(_CHANGES_S), self._lock:
                yield
        except TimeoutError as error:
            raise GitFailed(
                f"git was not done within {_CHANGES_S:g} s; repeat", late=True
            ) from error
        finally:
            self._waiting -= 1

    @property
    def _patience_s(self) -> float:
        """How long the next turn may be held up."""
        return _LONGEST_S if self._blank else min(_LONGEST_S, self._ran_s * _SHARE)

    def _wait_for_quiet(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        pause_s = max(QUIET_S, self._cost_s * _QUIET_COSTS)
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._quiet.set)

    async def _take_aside(self) -> None:
        """Until it is done, or a turn begins."""
        self._taking = asyncio.create_task(self._attempt(), name="snapshot")
        try:
            await asyncio.wait({self._taking})
        finally:
            self._taking.cancel()
            self._taking = None

    async def _attempt(self) -> None:
        """Whatever fails is logged once, and tried again after the next turn."""
        try:
            async with self._lock:
                if self._stale:
                    await self._look()
        except (NoDiff, GitFailed) as fault:
            self._failed(fault)
        except Exception:
            log.exception("snapshot_failed")
        else:
            self._trouble, self._failed_looks = "", 0

    def _failed(self, fault: NoDiff | GitFailed) -> None:
        if str(fault) != self._trouble:
            log.warning("no_snapshot", extra={"reason": str(fault)})
        self._trouble = str(fault)
        if isinstance(fault, GitFailed) and not fault.late:
            self._failed_looks += 1

    async def _between(self, before: str, after: str) -> Changes:
        try:
            changes = await between(self._repository.git, before, after)
        except GitFailed as failed:
            self._failed_diffs += not failed.late
            raise
        self._failed_diffs = 0
        return changes

    async def _begin_anew(self) -> None:
        """With a repository that can be read."""
        log.warning("snapshots_begun_anew")
        await asyncio.to_thread(self._repository.remove)
        await self._book.forget()
        self._stale = self._blank = True
        self._failed_looks = self._failed_diffs = 0

    async def _look(self) -> tuple[str, int]:
        """The tree of now, and when that is, in Unix ms; under the lock.

        Recorded if it is that of a pause between turns.
        """
        if max(self._failed_looks, self._failed_diffs) >= _FAILURES:
            await self._begin_anew()
        turns, paused = self._turns, self._began_s is None
        started_s = time.monotonic()
        try:
            tree = await self._repository.tree()
        except BaseException:
            self._cost_s = max(self._cost_s, time.monotonic() - started_s)
            raise
        self._cost_s = time.monotonic() - started_s
        at_ms = now_ms()
        if self._stale and paused and turns == self._turns:
            await self._record(tree, at_ms)
        return tree, at_ms

    async def _record(self, tree: str, at_ms: int) -> None:
        """Nothing is awaited before the journal has it: a turn that begins now comes after it."""
        self._stale = self._blank = False
        self._ran_s = 0.0
        await self._book.put(tree, at_ms)

    async def _tidy(self) -> None:
        try:
            async with self._lock:
                await self._let_go()
        except (NoDiff, GitFailed) as fault:
            self._failed(fault)

    async def _let_go(self) -> None:
        """Of what no snapshot holds; and, while it is too much, of the older half of them."""
        kept = self._book.all()
        await self._repository.tidy(snapshot.tree for snapshot in kept)
        while self._repository.full and len(kept) > _FEWEST_KEPT:
            await self._book.keep(len(kept) // 2)
            kept = self._book.all()
            await self._repository.tidy(snapshot.tree for snapshot in kept)
