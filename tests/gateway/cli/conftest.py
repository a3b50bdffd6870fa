"""What the command's tests share."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.cli.scripted_gateway import ScriptedGateway, scripted_gateway


@pytest.fixture
async def peer() -> AsyncIterator[ScriptedGateway]:
    """A gateway that does as its script says."""
    async with scripted_gateway() as gateway:
        yield gateway


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user with no state and no keys; sockets need a short path."""
    with tempfile.TemporaryDirectory(prefix="forge-") as short:
        yield {
            "HOME": str(tmp_path),
            "FORGE_STATE_DIR": str(tmp_path / "state"),
            "FORGE_RUNTIME_DIR": short,
            "FORGE_USER": "ada",
            "PORT": "0",
        }
