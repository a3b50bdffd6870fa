"""A node leaves nothing behind, however it ended."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.cluster.node import leftovers, node
from tests.cluster.node.errors import Failed
from tests.cluster.node.layout import layout
from tests.cluster.node.node import Node


@pytest.fixture
def bare(cluster: Node) -> Iterator[Node]:
    """A second one, beside the one that the tests share; nothing runs in it yet."""
    place = layout(f"{cluster.layout.name}-bare")
    node.down(place.name)
    yield node.opened(place, cluster.components)
    node.down(place.name)


def test_down_takes_everything(bare: Node) -> None:
    """Processes, mounts, cgroups and folders; the other node stays as it is."""
    bare.sandbox.run("sh", "-c", "sleep 1000 >/dev/null 2>&1 & mount -t tmpfs tmpfs /mnt")
    node.down(bare.layout.name)
    assert list(leftovers.of_node(bare.layout)) == []


def test_killed_node_is_removed_by_the_next(bare: Node, cluster: Node) -> None:
    """Whoever killed its first process only has left folders, which are no obstacle."""
    os.kill(bare.sandbox.pid, signal.SIGKILL)
    assert list(leftovers.of_node(bare.layout)) != []
    node.down(bare.layout.name)
    again = node.opened(bare.layout, cluster.components)
    assert again.sandbox.run("cat", "/proc/1/comm").strip() == "pause"


def test_forgotten_process_is_ended_and_told(bare: Node) -> None:
    """What a test started in the node's network and did not end is no secret."""
    command = [*bare.network_command(), "sleep", "1000"]
    pid = os.posix_spawnp(command[0], command, os.environ)
    while not (told := leftovers.end_strangers(bare.layout)):
        os.sched_yield()  # it is about to enter
    _, status = os.waitpid(pid, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert f"(pid {pid})" in told[0]


def test_node_that_is_not_up(cluster: Node) -> None:
    """Attaching to it fails with words."""
    with pytest.raises(Failed, match="is not up"):
        node.attach("nowhere", cluster.components)
