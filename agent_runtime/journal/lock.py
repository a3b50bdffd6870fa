"""The lock that says whether a runtime lives in a folder. Never a pid."""

import asyncio
import fcntl
import os
from pathlib import Path

from agent_runtime.errors import FolderBusy

FILE_NAME = "lock"

_LOOK_S = 0.1


class FolderLock:
    """An exclusive lock on a folder, held until the process ends.

    The file descriptor is not inherited by children, so no CLI can hold it on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> "FolderLock":
        """Raises FolderBusy when another process holds it."""
        descriptor = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise FolderBusy(f"another runtime lives in {folder}") from error
        return cls(descriptor)

    @classmethod
    async def take_within(cls, folder: Path, within_s: float) -> "FolderLock":
        """Wait for its holder's end, of which the system tells nobody: so look again and again.

        Raises:
            FolderBusy: it has not ended.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + within_s
        while True:
            try:
                return cls.take(folder)
            except FolderBusy:
                if loop.time() >= ends_s:
                    raise
            await asyncio.sleep(_LOOK_S)

    def release(self) -> None:
        os.close(self._descriptor)
