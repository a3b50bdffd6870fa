"""The turns of one relay: opened, their events sent within windows, parked, opened again."""

from collections.abc import Awaitable, Callable

from agent_runtime.journal.cursor import encoded
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Failure, Mark, Turn, is_due
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.relay_parked import Parked
from agent_runtime.server.relay_window import Window
from proto.relay.v1 import relay_pb2

Write = Callable[[relay_pb2.RelayDown], Awaitable[None]]


class RelayTurns:
    """`run` is one task and sends; the session's reader calls the other methods.

    What is to be sent follows from the tables alone: every change of a turn makes it
    look at where that turn stands now, whoever changed it.
    """

    def __init__(self, journal: Journal, write: Write) -> None:
        self._journal = journal
        self._write = write
        self._watch = journal.watch()
        self._windows: dict[int, Window] = {}
        self._by_request: dict[str, Window] = {}
        self._parked = Parked()

    @property
    def any_open(self) -> bool:
        return bool(self._windows)

    @property
    def any_flying(self) -> bool:
        """Whether the relay holds events."""
        return any(window.flying and not window.closing for window in self._windows.values())

    def close(self) -> None:
        self._watch.close()

    async def run(self) -> None:
        """For the relay's life."""
        await self._journal.caught_up()  # what the relay before said last: it may have parked
        changed = set(self._journal.outstanding.undelivered())
        idle = False
        while True:
            for turn in sorted(changed):
                await self._attend(turn)
            if self._windows:
                idle = False
            elif not idle:  # whatever is undelivered is parked
                await self._write(relay_pb2.RelayDown(idle=relay_pb2.Idle()))
                idle = True
            changed = await self._watch.changed(timeout_s=self._parked.wait_s(now_ms()))
            changed |= self._parked.take_due(now_ms())

    # What the relay says.

    def mark(self, mark: Mark) -> None:
        """Settle up to a seq that was sent."""
        window = self._window(mark.request_id, mark.generation)
        if window is None:
            return
        seq = min(mark.seq, window.sent_seq)
        blocked = window.blocked
        if not window.settle(seq):
            return
        self._journal.mark(window.turn, Mark(mark.request_id, mark.generation, seq, mark.status))
        if blocked:
            self._watch.note(window.turn)

    def fail(self, failed: relay_pb2.Failed) -> None:
        """Count an attempt that is repeated at once."""
        window = self._window(failed.request_id, failed.generation)
        if window is not None:
            self._journal.fail(
                window.turn,
                Failure(
                    request_id=failed.request_id,
                    generation=failed.generation,
                    seq=failed.seq,
                    status=failed.last_status,
                    error=failed.last_error,
                ),
            )

    def park(self, park: relay_pb2.Park) -> None:
        """The relay holds nothing of the turn any more, until it is opened again."""
        window = self._window(park.request_id, park.generation)
        if window is None:
            return
        window.closing = True
        parking = self._journal.fail(
            window.turn,
            Failure(
                request_id=park.request_id,
                generation=park.generation,
                seq=park.seq,
                attempts=window.told_attempts + park.attempts,
                failed=park.failure,
                status=park.last_status,
                error=park.last_error,
                delay_ms=park.delay_ms,
            ),
        )
        parking.add_done_callback(lambda _: self._closed(window))

    def abandon(self, abandon: relay_pb2.Abandon) -> None:
        window = self._window(abandon.request_id, abandon.generation)
        if window is None:
            return
        window.closing = True
        abandoning = self._journal.abandon(
            window.turn,
            request_id=abandon.request_id,
            generation=abandon.generation,
            reason=abandon.reason,
        )
        abandoning.add_done_callback(lambda _: self._closed(window))

    def _window(self, request_id: str, generation: int) -> Window | None:
        window = self._by_request.get(request_id)
        if window is None or window.closing or window.generation != generation:
            return None
        return window

    # What the tables say.

    async def _attend(self, turn: int) -> None:
        """Make what this relay has of the turn match where the turn stands."""
        window = self._windows.get(turn)
        if window is not None and window.closing:
            return
        standing = self._journal.outstanding.standing(turn)
        if window is not None:
            if standing is not None and standing.generation == window.generation:
                await self._send(window)
                return
            self._forget(window)
        if standing is None:
            return
        if is_due(standing.next_attempt_ms, now_ms()):
            await self._open(turn)
        else:
            self._parked.put(turn, standing.next_attempt_ms)

    async def _open(self, number: int) -> None:
        turn = self._journal.outstanding.undelivered_turn(number)
        if turn is None:
            return
        cursor = self._journal.cursor(turn.turn, turn.acked_seq, wanted=True)
        window = Window(turn, cursor)
        self._windows[turn.turn] = window
        self._by_request[turn.request_id] = window
        await self._write(relay_pb2.RelayDown(turn=_open(turn)))
        if turn.last_seq > turn.acked_seq:
            await self._send(window)

    async def _send(self, window: Window) -> None:
        while rows := window.take():
            down = relay_pb2.RelayDown()
            down.events.MergeFromString(encoded(rows))
            await self._write(down)

    def _closed(self, window: Window) -> None:
        """What the relay said when it let go is on disk: look where the turn stands now."""
        self._forget(window)
        self._watch.note(window.turn)

    def _forget(self, window: Window) -> None:
        if self._windows.get(window.turn) is window:
            del self._windows[window.turn]
            del self._by_request[window.request_id]


def _open(turn: Turn) -> relay_pb2.OpenTurn:
    now = now_ms()
    failing_ms = max(0, now - turn.first_failure_ms) if turn.first_failure_ms else 0
    return relay_pb2.OpenTurn(
        request_id=turn.request_id,
        ticket=turn.ticket or b"",
        generation=turn.generation,
        acked_seq=turn.acked_seq,
        attempts=turn.attempts,
        first_failure_ms=turn.first_failure_ms,
        age_ms=max(0, now - turn.created_ms),
        failing_ms=failing_ms,
    )
