"""The turns that wait, in the order in which they run."""

from collections import deque
from collections.abc import Iterator

from agent_runtime.journal.rows import Turn


class Queue:
    """In order of arrival; those that are wanted now before the others. Event loop only."""

    def __init__(self) -> None:
        self._now: deque[Turn] = deque()
        self._later: deque[Turn] = deque()

    def __bool__(self) -> bool:
        return bool(self._now or self._later)

    def __iter__(self) -> Iterator[Turn]:
        yield from self._now
        yield from self._later

    def put(self, turn: Turn, *, now: bool) -> None:
        (self._now if now else self._later).append(turn)

    def take(self) -> Turn:
        """The next one; there is one."""
        return (self._now or self._later).popleft()

    def remove(self, request_id: str) -> Turn | None:
        """None when it does not wait."""
        for turns in (self._now, self._later):
            for turn in turns:
                if turn.request_id == request_id:
                    turns.remove(turn)
                    return turn
        return None

    def empty(self) -> list[Turn]:
        """All of them, which wait no more."""
        turns = list(self)
        self._now.clear()
        self._later.clear()
        return turns
