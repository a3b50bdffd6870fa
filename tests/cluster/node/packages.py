"""The Debian packages that a node needs, and installing those that are missing."""

import os
import platform
import shutil

from tests.cluster.node.commands import run
from tests.cluster.node.errors import Unsuitable
from tests.cluster.node.progress import step

_INSTALL_LIMIT_S = 600
_NODE = (
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "ethtool",
    "etcd-server",
    "iproute2",
    "iptables",
    "runc",
    "socat",
    "util-linux",
)
_IMAGES = ("buildah", "mmdebstrap")


def install() -> None:
    """Install what is missing; quick when nothing is.

    Raises:
        Unsuitable: the machine is no Debian with root and Go.
        Failed: apt-get failed.
    """
    _check_machine()
    missing = _missing()
    if not missing:
        return
    with step(f"installing {', '.join(missing)}"):
        _apt_get("update", "-qq")
        _apt_get("install", "-y", "-qq", "--no-install-recommends", *missing)


def _check_machine() -> None:
    if platform.system() != "Linux" or shutil.which("apt-get") is None:
        raise Unsuitable("a test node needs Linux with Debian's packages (apt-get)")
    if os.geteuid() != 0:
        raise Unsuitable("a test node needs root: it makes namespaces, mounts and cgroups")
    if shutil.which("go") is None:
        raise Unsuitable("a test node is built from Go modules: install Go 1.24 or newer")


def _missing() -> list[str]:
    shown = "${Package} ${db:Status-Status}\\n"
    there = set(run(["dpkg-query", "--show", f"--showformat={shown}"]).splitlines())
    return [name for name in (*_NODE, *_IMAGES) if f"{name} installed" not in there]


def _apt_get(*arguments: str) -> None:
    # no service is started: a node starts its own containerd, in its namespaces
    policy = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    run(["apt-get", *arguments], limit_s=_INSTALL_LIMIT_S, env=policy)
