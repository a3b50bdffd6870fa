"""What tests of the cluster share. pytest runs in the network of the node that
`make test-cluster` brought up, in several processes; in each one deployment of two gateways serves
all tests that do not have to break it."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.cluster.deployment import Deployment, deployed
from tests.cluster.gate import Gate, new_gate
from tests.cluster.node import components, node
from tests.cluster.node.node import Node
from tests.cluster.receiving import NodeReceiver, receiving
from tests.peers.gateway import Client

_LONG = ("test_notes", "test_rbac", "test_takeover", "test_contract")
"""Files that take longest: they begin first, so that nobody waits for them at the end."""


@pytest.fixture(scope="session")
def cluster() -> Node:
    """The node, with kubectl as the administrator."""
    return node.attach(os.environ["FORGE_TEST_NODE"], components.build())


@pytest.fixture
def mortal_apiserver(cluster: Node) -> Node:
    """For tests that kill the API server, which are alone. Kubernetes' own programs take half a
    minute to find it again, so such tests come after all others."""
    return cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (_kills_apiserver(item), item.path.stem not in _LONG))


def _kills_apiserver(item: pytest.Item) -> bool:
    return "mortal_apiserver" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def gate() -> Iterator[Gate]:
    """Agents of `deployment` get onto the node through it."""
    with new_gate() as made:
        yield made


@pytest.fixture(scope="session")
def deployment(gate: Gate) -> Iterator[Deployment]:
    """Two gateways, as deploy/ has them."""
    with deployed(template=gate.template, FORGE_GRACE_S="2") as made:
        yield made


@pytest.fixture
async def client(deployment: Deployment) -> AsyncIterator[Client]:
    """Through the Service."""
    async with deployment.client() as made:
        yield made


@pytest.fixture
async def receiver() -> AsyncIterator[NodeReceiver]:
    async with receiving() as made:
        yield made
