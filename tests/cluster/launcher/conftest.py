"""One namespace for all tests of the launcher's parts; each removes what it makes."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cluster.launcher.place import KubernetesPlace
from tests.cluster.namespace import namespace


@pytest.fixture(scope="session")
def launcher_namespace() -> Iterator[str]:
    with namespace("forge-launcher") as name:
        yield name


@pytest.fixture
async def place(launcher_namespace: str) -> AsyncIterator[KubernetesPlace]:
    place = KubernetesPlace(launcher_namespace)
    yield place
    await place.close()
