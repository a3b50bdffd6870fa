"""The events of one turn that are here and not settled, in order."""

from collections import deque
from itertools import islice

from gateway.relay.held import HeldBytes
from proto.agent.v1 import agent_pb2

WINDOW_EVENTS = 64
"""An agent sends at most so many events of a turn beyond its mark."""

BATCH_BYTES = 1024 * 1024
"""A batch ends before it is larger; one event always goes."""


class Overrun(Exception):
    """An agent sent more of a turn than its window; the relay does not outlive it."""


class Pending:
    """A queue whose bytes count against the gateway's budget. Its turn alone touches it."""

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
        self._events: deque[tuple[agent_pb2.AgentResponse, int]] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: agent_pb2.AgentResponse) -> bool:
        """Append, if the budget has room.

        Raises:
            Overrun: the agent sends more than its window.
        """
        if len(self._events) >= WINDOW_EVENTS:
            raise Overrun(event.request_id)
        size_bytes = event.ByteSize()
        if not self._held.take(size_bytes, first=not self._events):
            return False
        self._events.append((event, size_bytes))
        return True

    def first(self, most: int) -> list[agent_pb2.AgentResponse]:
        """What may be posted together: up to so many, within BATCH_BYTES, one at least."""
        if most == 1:
            return [self._events[0][0]]
        chosen: list[agent_pb2.AgentResponse] = []
        room = BATCH_BYTES
        for event, size_bytes in islice(self._events, most):
            if chosen and size_bytes > room:
                break
            chosen.append(event)
            room -= size_bytes
        return chosen

    def complete(self, most: int) -> bool:
        """Whether `first` would not choose more if there were more."""
        chosen = self.first(most)
        short = len(chosen) < len(self._events)
        return short or len(chosen) >= most or bool(chosen and chosen[-1].is_final)

    def settle(self, count: int) -> None:
        """The first so many are done with."""
        for _ in range(count):
            self._held.give(self._events.popleft()[1])

    def keep(self, count: int) -> int:
        """Drop all but the first so many; the seq of the first that was dropped, or 0."""
        dropped_seq = 0
        while len(self._events) > count:
            event, size_bytes = self._events.pop()
            self._held.give(size_bytes)
            dropped_seq = event.seq
        return dropped_seq
