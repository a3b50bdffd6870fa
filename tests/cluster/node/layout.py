"""Where everything of one node lives, and which addresses it has.

Two nodes may have the same addresses: each has a network of its own.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import cache
from tests.cluster.node.errors import Unsuitable

ADDRESS = "10.77.0.1"
API = f"https://{ADDRESS}:6443"
PODS = "10.88.0.0/16"
SERVICES = "10.96.0.0/16"


@dataclass(frozen=True)
class Layout:
    """The folder of a node. What its programs would put into /run, /var/lib and /var/log goes
    there as well: the sandbox mounts it over these. `pods` are the addresses of its pods;
    with a `taint`, a key, it takes only pods that tolerate it."""

    name: str
    folder: Path
    address: str = ADDRESS
    pods: str = PODS
    taint: str = ""

    @property
    def second(self) -> "Layout":
        """Of the second node of its cluster, which tests may add."""
        name = f"{self.name}-2"
        return Layout(
            name,
            self.folder.with_name(name),
            address="10.77.0.2",
            pods="10.89.0.0/16",
            taint="forge.test/second",
        )

    @property
    def network(self) -> Path:
        """Its network namespace, for `nsenter --net=`."""
        return self.folder / "network"

    @property
    def cgroup(self) -> str:
        """The folder of its pods in each hierarchy."""
        return f"forge-node-{self.name}"

    @property
    def lib(self) -> Path:
        """Its /var/lib."""
        return self.folder / "lib"

    @property
    def log(self) -> Path:
        """Its /var/log; each program has a file there."""
        return self.folder / "log"

    @property
    def keys(self) -> Path:
        """The API server's certificates and the key of ServiceAccount tokens."""
        return self.folder / "keys"

    @property
    def configuration(self) -> Path:
        """What its programs read."""
        return self.folder / "etc"

    @property
    def volumes(self) -> Path:
        """What its PersistentVolumes hold."""
        return self.folder / "volumes"

    def pid_file(self, program: str) -> Path:
        """Its process id, as seen inside."""
        return self.folder / f"{program}.pid"

    def kubeconfig(self, user: str = "admin") -> Path:
        """How that user reaches the API server from inside the network."""
        return self.folder / f"{user}.kubeconfig"


def layout(name: str) -> Layout:
    """That of the node of this name.

    Raises:
        Unsuitable: it cannot be a name in Kubernetes.
    """
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", name):
        raise Unsuitable(f"a node's name has up to 30 of a-z, 0-9 and -, not {name!r}")
    return Layout(name, cache.folder() / "nodes" / name)
