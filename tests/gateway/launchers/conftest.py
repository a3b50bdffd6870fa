"""Each contract test runs against every launcher."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.gateway.launchers.harness import LocalPlace, Place

PLACES: dict[str, Callable[[], Place]] = {"local": LocalPlace}


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    place = PLACES[request.param]()
    yield place
    await place.close()
