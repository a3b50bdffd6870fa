"""A place for agents of this test alone."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.launchers.harness import LocalPlace


@pytest.fixture
async def place() -> AsyncIterator[LocalPlace]:
    place = LocalPlace()
    yield place
    await place.close()
