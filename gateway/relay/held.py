"""How many bytes of events this gateway holds, of all turns together."""

from weakref import WeakValueDictionary


class HeldBytes:
    """The budget, parted by who answers: scheme, host and port. Event loop only."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        """Written by its shares alone."""
        self._shares: WeakValueDictionary[str, Share] = WeakValueDictionary()

    def share(self, origin: str) -> "Share":
        """The one of this origin, which lives for as long as a turn has it."""
        share = self._shares.get(origin)
        if share is None:
            share = self._shares[origin] = Share(self)
        return share


class Share:
    """What is held for one origin; what is taken is given back.

    It takes at most as much as it leaves free, and with events that are not the first of
    their turn half of that. So however many hosts let everything wait, one more finds
    room; and at one host no turn's full window keeps the others from one event each.
    """

    def __init__(self, budget: HeldBytes) -> None:
        self._budget = budget
        self._held_bytes = 0

    def take(self, size_bytes: int, *, first: bool) -> bool:
        """Whether there was room; if so it is taken. A lone event always fits."""
        budget = self._budget
        free_bytes = budget.limit_bytes - budget.held_bytes - size_bytes
        most_bytes = free_bytes if first else free_bytes // 2
        if budget.held_bytes and self._held_bytes + size_bytes > most_bytes:
            return False
        self._held_bytes += size_bytes
        budget.held_bytes += size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        self._held_bytes -= size_bytes
        self._budget.held_bytes -= size_bytes
