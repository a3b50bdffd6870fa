from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli import install
from tests.e2e.conversation.talk import Talk
from tests.peers.gateway import Client, House, house
from tests.peers.stub_model import StubModel, opencode_config, stub_model


@pytest.fixture(scope="session")
def binary() -> Path:
    try:
        return install.opencode()
    except install.Missing as missing:
        pytest.skip(f"no opencode: {missing}")


@pytest.fixture
async def model() -> AsyncIterator[StubModel]:
    async with stub_model() as made:
        yield made


@pytest.fixture
async def place(tmp_path: Path, model: StubModel, binary: Path) -> AsyncIterator[House]:
    """A house in which the opencode backend is usable."""
    settings = {
        "FORGE_BACKEND": "opencode",
        "FORGE_OPENCODE_BIN": str(binary),
        "OPENCODE_CONFIG_CONTENT": opencode_config(model.url, models=("stub-model", "other-model")),
    }
    install.prepare_home(tmp_path)
    async with house(tmp_path, **settings) as made:
        yield made


@pytest.fixture
async def talk(client: Client) -> Talk:
    """A conversation with an agent that has just been made."""
    return Talk(client, await client.create(backend="opencode"))
