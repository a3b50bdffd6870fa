from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_runtime.journal.journal import Journal


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path) as opened:
        yield opened
