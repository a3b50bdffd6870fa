"""File locks: whoever holds one lives, whatever its pid.

Looking takes the lock for an instant where it is free. A runtime that starts in
that instant finds it taken and leaves with `TAKEN_STATUS`; it is then started
again.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import Unavailable

TAKEN_STATUS = 75
"""Exit status of a runtime that found the lock of its folder taken."""

_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MAKE = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock now. A few microseconds; False without the file.

    Raises:
        Unavailable: it cannot be told, so nothing may follow from it.
    """
    try:
        fd = os.open(path, _LOOK)
        try:
            return not _lock(fd, fcntl.LOCK_SH)
        finally:
            _release(fd)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(
            f"the lock of {path.parent.name} cannot be read: {error.strerror}"
        ) from error


@contextlib.contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Hold the lock within the block, if nobody else does: yields whether it is ours.

    Raises:
        OSError: the file cannot be made or opened.
    """
    fd = os.open(path, _MAKE, 0o600)
    try:
        yield _lock(fd, fcntl.LOCK_EX)
    finally:
        _release(fd)


def _lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _release(fd: int) -> None:
    # A child forked meanwhile shares the lock until it execs: closing alone would not free it.
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)
