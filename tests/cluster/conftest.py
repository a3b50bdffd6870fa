"""The node that `make test-cluster` brought up; pytest runs in its network."""

import os

import pytest

from tests.cluster.node import components, node
from tests.cluster.node.node import Node


@pytest.fixture(scope="session")
def cluster() -> Node:
    """It, with kubectl as the administrator. Whoever harms it brings up one of its own."""
    return node.attach(os.environ["FORGE_TEST_NODE"], components.build())
