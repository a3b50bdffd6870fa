"""How many bytes of events this gateway holds, of all turns together."""


class HeldBytes:
    """The budget. Event loop only; what is taken is given back.

    A turn's first event may use all of it, further ones half: so turns that wait
    with full windows cannot keep all others from having one event each.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    def take(self, size_bytes: int, *, first: bool) -> bool:
        """Whether there was room; if so it is taken. A lone event always fits."""
        limit_bytes = self._limit_bytes if first else self._limit_bytes // 2
        if self._held_bytes and self._held_bytes + size_bytes > limit_bytes:
            return False
        self._held_bytes += size_bytes
        return True

    def give(self, size_bytes: int) -> None:
        self._held_bytes -= size_bytes
