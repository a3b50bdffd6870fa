"""A second node in the cluster of the first, which can be lost.

It has namespaces of its own like any node, so the end of its process 1 is a machine that loses its
power: no program of it ends in order, and its network is silent from then on. There is no
kube-proxy on it: what runs there reaches pods and nodes, and no Services. It takes only pods that
tolerate its taint, so that nobody else's are lost with it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import node, sandbox, services
from tests.cluster.node.commands import run, wait
from tests.cluster.node.errors import Failed
from tests.cluster.node.node import Node

_READY = '--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
_NEAR = """
ip link add second0 type veth peer name first0 netns "$0"
ip link set second0 up
ip route add "$1/32" dev second0
ip route add "$2" via "$1" dev second0
"""
_FAR = """
ip link set first0 up
ip route add "$0/32" dev first0
ip route replace default via "$0" dev first0
"""


@dataclass(frozen=True)
class Second:
    """One that has joined."""

    first: Node
    itself: Node

    @property
    def name(self) -> str:
        """Of its Node object, and its label kubernetes.io/hostname."""
        return self.itself.layout.name

    def lose(self) -> None:
        """It is gone from one moment to the next; nobody is told."""
        sandbox.close(self.name)


@contextmanager
def joined(first: Node, images: Path) -> Iterator[Second]:
    """One that is ready; after the block it is gone, as is its Node object. `images`: as `node.up`.

    Raises:
        Failed: it does not become ready.
    """
    node.remove(first.layout.second)
    try:
        yield _join(first, images)
    finally:
        first.kubectl("delete", "node", first.layout.second.name, "--ignore-not-found")
        node.remove(first.layout.second)


def _join(first: Node, images: Path) -> Second:
    made = node.opened(first.layout.second, first.components)
    made.plant(images)
    shutil.copy(first.layout.kubeconfig("second"), made.layout.kubeconfig("kubelet"))
    _connect(first, made)
    made.start_containerd()
    for program in services.others(made.layout, made.components):
        if program.name == "kubelet":
            program.start(made.layout, made.sandbox)
    wait(lambda: _is_ready(first, made), limit_s=60, otherwise=f"{made.layout.name} is not Ready")
    return Second(first, made)


def _connect(first: Node, made: Node) -> None:
    """A cable between the two, and routes to what is at its other end."""
    place = made.layout
    near = ("sh", "-ec", _NEAR, str(made.sandbox.pid), place.address, place.pods)
    run([*first.network_command(), *near])
    run([*made.network_command(), "sh", "-ec", _FAR, first.layout.address])


def _is_ready(first: Node, made: Node) -> bool:
    try:
        return first.kubectl("get", "node", made.layout.name, _READY, limit_s=10) == "True"
    except Failed:
        return False
