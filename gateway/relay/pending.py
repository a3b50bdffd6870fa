"""The events of one turn that are here and not settled, in order."""

from collections import deque
from itertools import islice

from gateway.relay.held import Share
from proto.agent.v1 import agent_pb2

MAX_TURNS = 1200
"""An agent keeps at most 1,000 unsettled turns, and some beside its queue."""

WINDOW_EVENTS = 64
"""An agent sends at most so many events of a turn beyond its mark."""

BATCH_BYTES = 1024 * 1024
"""A batch ends before it is larger; one event always goes."""


class Overrun(Exception):
    """An agent sent more than it may; says of what. The relay does not outlive it."""


class Pending:
    """A queue whose bytes count against its host's share of the budget. Its turn alone touches it.

    Events wait as bytes: an event that was parsed keeps the memory of the whole
    list it came in, up to 64 times its own.
    """

    def __init__(self, held: Share) -> None:
        self._held = held
        self._events: deque[tuple[bytes, bool]] = deque()  # whether it is the final

    def __len__(self) -> int:
        return len(self._events)

    def add(self, event: agent_pb2.AgentResponse) -> bool:
        """Append, if the budget has room.

        Raises:
            Overrun: the agent sends more than its window.
        """
        if len(self._events) >= WINDOW_EVENTS:
            raise Overrun("a turn's events")
        data = event.SerializeToString()
        if not self._held.take(len(data), first=not self._events):
            return False
        self._events.append((data, event.is_final))
        return True

    def first(self, most: int) -> list[agent_pb2.AgentResponse]:
        """What may be posted together: up to so many, within BATCH_BYTES, one at least."""
        count = 1 if most == 1 else self._together(most)
        return [_parsed(data) for data, _ in islice(self._events, count)]

    def complete(self, most: int) -> bool:
        """Whether `first` would not choose more if there were more."""
        count = self._together(most)
        short = count < len(self._events)
        return short or count >= most or (count > 0 and self._events[count - 1][1])

    def settle(self, count: int) -> None:
        """The first so many are done with."""
        for _ in range(count):
            self._held.give(len(self._events.popleft()[0]))

    def keep(self, count: int) -> int:
        """Drop all but the first so many; the seq of the first that was dropped, or 0."""
        dropped = b""
        while len(self._events) > count:
            dropped, _ = self._events.pop()
            self._held.give(len(dropped))
        return _parsed(dropped).seq

    def _together(self, most: int) -> int:
        """How many of the first so many fit into one batch."""
        count, room = 0, BATCH_BYTES
        for data, _ in islice(self._events, most):
            if count and len(data) > room:
                break
            count += 1
            room -= len(data)
        return count


def _parsed(data: bytes) -> agent_pb2.AgentResponse:
    return agent_pb2.AgentResponse.FromString(data)
