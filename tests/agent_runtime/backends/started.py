"""A backend that has been started, for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from agent_runtime.backends.protocol import Backend

B = TypeVar("B", bound=Backend)


@asynccontextmanager
async def started(backend: B) -> AsyncIterator[B]:
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()
