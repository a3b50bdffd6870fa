from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.peers.gateway import Client, GatewayProcess, House, house
from tests.peers.receiver import Receiver


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


@pytest.fixture
async def gateway(place: House) -> GatewayProcess:
    return await place.gateway()


@pytest.fixture
async def client(gateway: GatewayProcess) -> AsyncIterator[Client]:
    async with gateway.client() as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made
