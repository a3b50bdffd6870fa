"""Namespaces of a test's own."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.kubectl import Kubectl

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"


@contextmanager
def namespace(prefix: str) -> Iterator[str]:
    """A new one that enforces restricted Pod Security; on leaving it is told to go."""
    name = f"{prefix}-{secrets.token_hex(3)}"
    kubectl = Kubectl()
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, RESTRICTED)
    try:
        # Pods are refused until there is one.
        Kubectl(name).wait_for("serviceaccount", "default", "{.metadata.name}", bool)
        yield name
    finally:
        kubectl("delete", "namespace", name, "--wait=false")
