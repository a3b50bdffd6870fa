"""The folder outside the repository that holds what is built once, and the nodes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """`forge-cluster` in $XDG_CACHE_HOME or ~/.cache; made when it is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    made = (base / "forge-cluster").resolve()
    made.mkdir(parents=True, exist_ok=True)
    return made


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock of that name; one who holds it and is killed loses it."""
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
