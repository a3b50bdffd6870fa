"""When the agent was last used: what the idle exit looks at."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Usage:
    """Counts open calls and remembers the last one's end. Event loop only."""

    def __init__(self) -> None:
        self._open = 0
        self._last = time.monotonic()

    def touch(self) -> None:
        self._last = time.monotonic()

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around a call that keeps the agent in use."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self.touch()

    @property
    def idle_s(self) -> float:
        """Seconds without use; 0 while a call is open."""
        return 0.0 if self._open else time.monotonic() - self._last
