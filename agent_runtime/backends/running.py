"""What a backend does just now, and whether that is to end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from agent_runtime.errors import BackendCrashed

log = logging.getLogger(__name__)


class Interruptible(Protocol):
    """A prompt that has begun."""

    async def interrupt(self) -> None:
        """Make it end soon. Raises BackendCrashed."""
        ...


P = TypeVar("P", bound=Interruptible)


class Running(Generic[P]):
    """Owned by a backend. One task at a time starts or prompts; the others may interrupt.

    What came of a start or a prompt is forgotten when it has ended: an interrupt is for
    what runs when it comes, and for nothing after that.
    """

    def __init__(self) -> None:
        self._busy = False
        self.prompt: P | None = None
        self.halted = False
        """Whether what runs is to end: then it was interrupted, whatever its CLI says."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Around a start or a prompt."""
        self._busy = True
        try:
            yield
        finally:
            self.prompt = None
            self._busy = self.halted = False

    def begin(self, prompt: P) -> bool:
        """From here on an interrupt is the prompt's affair; False when there has been one."""
        self.prompt = prompt
        return not self.halted

    def halt(self) -> None:
        """The processes of what runs are about to be ended."""
        self.halted = self._busy

    async def interrupt(self) -> None:
        if not self._busy:
            return
        self.halted = True
        if self.prompt is None:
            return
        try:
            await self.prompt.interrupt()
        except BackendCrashed as crash:
            log.info("interrupt_failed", extra={"reason": str(crash)})
