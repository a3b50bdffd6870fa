"""Neighbouring deltas become one event."""

import asyncio
from collections.abc import Callable

from agent_runtime.model import BackendEvent, Kind

Merge = Callable[[BackendEvent, BackendEvent], BackendEvent | None]

MAX_BYTES = 16 * 1024
"""Of the JSON of a merged event: each merge writes it anew."""

_DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)


class Coalescer:
    """Holds one delta back for at most `within_s`, for what follows to be merged into it.

    `merge` makes one event of two, or None when they do not belong together; `put`
    takes what is done with, in the order in which it came. Event loop only.
    """

    def __init__(
        self, *, within_s: float, merge: Merge, put: Callable[[BackendEvent], None]
    ) -> None:
        self._within_s = within_s
        self._merge = merge
        self._put = put
        self._held: BackendEvent | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, event: BackendEvent) -> None:
        merged = self._merged(event)
        if merged is not None:
            self._held = merged
            return
        self.flush()
        if event.kind not in _DELTAS:
            self._put(event)
            return
        self._held = event
        self._timer = asyncio.get_running_loop().call_later(self._within_s, self.flush)

    def flush(self) -> None:
        """Put what is held, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, None
        if held is not None:
            self._put(held)

    def _merged(self, event: BackendEvent) -> BackendEvent | None:
        held = self._held
        if held is None or event.kind is not held.kind:
            return None
        if len(held.event_json) + len(event.event_json) > MAX_BYTES:
            return None
        return self._merge(held, event)
