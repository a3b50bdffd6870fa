"""Only one run at a time uses a node's name: processes and cgroups are found by it."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.node.errors import Failed
from tests.cluster.node.progress import step

_POLL_S = 0.5


@contextmanager
def reserved(name: str, *, limit_s: float = 3600) -> Iterator[None]:
    """Hold the name on this machine; it is free again when its holder ends, however.

    Raises:
        Failed: another run had it all the time.
    """
    with socket.socket(socket.AF_UNIX) as held:
        if not _bound(held, name):
            with step(f"waiting for another run that uses the node {name}"):
                _wait(held, name, limit_s)
        yield


def _wait(held: socket.socket, name: str, limit_s: float) -> None:
    end = time.monotonic() + limit_s
    while not _bound(held, name):
        if time.monotonic() > end:
            raise Failed(f"another run uses the node {name}")
        time.sleep(_POLL_S)


def _bound(held: socket.socket, name: str) -> bool:
    """A name without a file: the kernel forgets it with the process."""
    try:
        held.bind(f"\0forge-node-{name}")
    except OSError:
        return False
    return True
