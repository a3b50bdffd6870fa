"""The turns that wait for their next attempt."""

from agent_runtime.journal.rows import is_due

MAX_WAIT_S = 30.0
"""After which the clock is looked at again: it may have been set."""


class Parked:
    """Owned by one relay session. Times are of the wall clock, for they outlive processes."""

    def __init__(self) -> None:
        self._next_attempts_ms: dict[int, int] = {}
        self._first_ms: int | None = None

    def put(self, turn: int, next_attempt_ms: int) -> None:
        self._next_attempts_ms[turn] = next_attempt_ms
        if self._first_ms is None or next_attempt_ms < self._first_ms:
            self._first_ms = next_attempt_ms

    def wait_s(self, now_ms: int) -> float | None:
        """How long nothing comes due, cut at MAX_WAIT_S; None when nothing is parked."""
        if self._first_ms is None:
            return None
        return min(max(0.0, (self._first_ms - now_ms) / 1000), MAX_WAIT_S)

    def take_due(self, now_ms: int) -> set[int]:
        """Let go of what may be tried now."""
        if self._first_ms is None or not is_due(self._first_ms, now_ms):
            return set()
        due = {turn for turn, at_ms in self._next_attempts_ms.items() if is_due(at_ms, now_ms)}
        for turn in due:
            del self._next_attempts_ms[turn]
        self._first_ms = min(self._next_attempts_ms.values(), default=None)
        return due
