"""Each contract test runs against every launcher that there is a place for."""

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


PLACES: dict[str, NewPlace] = {"local": _local}
if "FORGE_TEST_KUBECONFIG" in os.environ:  # `make test-cluster` brings a node
    PLACES["kubernetes"] = _kubernetes


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
