"""Each contract test runs against every launcher: `make test` has a place for the local one, and
`make test-cluster` for the other."""

import os
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.gateway.launchers.harness import LocalPlace, Place

NewPlace = Callable[[pytest.FixtureRequest], Place]


def _local(_: pytest.FixtureRequest) -> Place:
    return LocalPlace()


def _kubernetes(request: pytest.FixtureRequest) -> Place:
    from tests.cluster.launcher.place import KubernetesPlace

    return KubernetesPlace(request.getfixturevalue("agents_namespace"))


PLACES: dict[str, NewPlace] = (
    {"kubernetes": _kubernetes} if "FORGE_TEST_KUBECONFIG" in os.environ else {"local": _local}
)


@pytest.fixture(scope="session")
def agents_namespace() -> Iterator[str]:
    from tests.cluster.namespace import namespace

    with namespace("forge-contract") as name:
        yield name


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    place = PLACES[request.param](request)
    yield place
    await place.close()
