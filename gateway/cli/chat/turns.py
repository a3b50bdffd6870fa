"""The turns that have no final yet, as far as this conversation has heard of them."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

_MOST = 1000


def new_request_id() -> str:
    """Chosen here: a call that broke off can be repeated under the same name."""
    return f"req_{secrets.token_hex(8)}"


class Purpose(Enum):
    """What a turn is about, for us."""

    MESSAGE = auto()
    NOW = auto()
    """A message into the running turn, or else the next one."""
    SESSION = auto()
    ORDER = auto()
    """An interrupt or an answer: a short turn that does not wait for others."""
    ELSEWHERE = auto()
    """Not sent here."""


@dataclass(slots=True)
class OpenTurn:
    """Changed by OpenTurns only.

    Attributes:
        said: the message, or "" where it is not known.
        waited: another one was open when it came.
        began_s: when it had its turn, of a monotonic clock; 0.0 while it waits.
        spoke: an event of it has come.
    """

    request_id: str
    purpose: Purpose
    said: str = ""
    waited: bool = False
    began_s: float = 0.0
    spoke: bool = False


class OpenTurns:
    """In the order in which they run; at most 1000, the oldest are forgotten. Event loop only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turns: OrderedDict[str, OpenTurn] = OrderedDict()

    def open(self, request_id: str, purpose: Purpose, *, said: str = "") -> OpenTurn:
        """One that is about to be sent, or was sent elsewhere."""
        turn = OpenTurn(request_id, purpose, said, waited=bool(self.waiting))
        self._turns[request_id] = turn
        if purpose is Purpose.NOW:
            for other in self.waiting[1:-1]:
                self._turns.move_to_end(other.request_id)
        if len(self._turns) > _MOST:
            self._turns.popitem(last=False)
        self._go_on()
        return turn

    def of(self, request_id: str) -> OpenTurn | None:
        return self._turns.get(request_id)

    def heard(self, request_id: str) -> tuple[OpenTurn, bool]:
        """Of which an event came; and whether it is the first one."""
        turn = self._turns.get(request_id) or self.open(request_id, Purpose.ELSEWHERE)
        first, turn.spoke = not turn.spoke, True
        turn.began_s = turn.began_s or self._clock()
        return turn, first

    def close(self, request_id: str) -> None:
        """It has ended, or was never taken."""
        self._turns.pop(request_id, None)
        self._go_on()

    @property
    def waiting(self) -> list[OpenTurn]:
        """Those that run one after the other; the first one does now."""
        return [turn for turn in self._turns.values() if turn.purpose is not Purpose.ORDER]

    @property
    def running(self) -> OpenTurn | None:
        return next(iter(self.waiting), None)

    def running_s(self) -> float:
        """For how long the running one has."""
        return self._clock() - self.running.began_s if self.running is not None else 0.0

    def _go_on(self) -> None:
        running = self.running
        if running is not None:
            running.began_s = running.began_s or self._clock()
