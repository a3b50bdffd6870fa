from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.runtime import Runtime


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    """A runtime that is up, with the `command` backend."""
    made = Runtime(tmp_path)
    await made.start()
    try:
        yield made
    finally:
        await made.end()
