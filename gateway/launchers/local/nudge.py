"""This gateway's socket for nudges, and the end of those that dead gateways left.

Runtimes try every `gateway-*.sock` in the folder. Beside each lies a lock file,
held as long as its gateway lives; where it is free the gateway is dead.
"""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from gateway.errors import StartFailed
from gateway.launchers.local import lock

_TRIES = 10


class NudgeSocket:
    """The name of a socket that is ours while this object is open. The server binds it."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self.bind = f"unix:{path}"

    @classmethod
    def reserve(cls, folder: Path) -> "NudgeSocket":
        """Raises StartFailed when no name can be locked."""
        try:
            for _ in range(_TRIES):
                path = folder / f"gateway-{secrets.token_hex(4)}.sock"
                fd = _hold(_lock_of(path))
                if fd is not None:
                    return cls(path, fd)
        except OSError as error:
            raise StartFailed(f"no socket for nudges in {folder}: {error.strerror}") from error
        raise StartFailed(f"no socket for nudges in {folder}: every name is taken")

    def close(self) -> None:
        """Idempotent."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
            _lock_of(self._path).unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1


def clear_dead(folder: Path) -> None:
    """Remove the sockets of gateways that live no more."""
    with contextlib.suppress(OSError):  # another gateway clears at the same time
        for path in folder.glob("gateway-*.lock"):
            with lock.taken(path) as dead:
                if dead:
                    path.with_suffix(".sock").unlink(missing_ok=True)
                    path.unlink(missing_ok=True)


def _lock_of(socket: Path) -> Path:
    return socket.with_suffix(".lock")


def _hold(path: Path) -> int | None:
    """The open, locked file; None where somebody who clears was faster."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(fd).st_ino:
            return fd
    os.close(fd)
    return None
