"""The agent's two folders, and the lock by which one runtime at a time lives in them."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from agent_runtime.errors import FolderBusy, SettingsError
from agent_runtime.journal.lock import FolderLock
from agent_runtime.settings import Settings

log = logging.getLogger(__name__)

_LAST_POD_S = 60.0
"""For the end of the agent's last pod, whose containers kubelet is killing."""


@asynccontextmanager
async def lived_in(settings: Settings) -> AsyncIterator[None]:
    """Both are there, and nobody else's within the block.

    Raises:
        FolderBusy: another runtime lives in the state folder.
        SettingsError: one of them cannot be made.
    """
    _make("FORGE_STATE_DIR", settings.state_dir)
    _make("AGENT_CWD", settings.workspace)
    lock = await _lock(settings)
    try:
        yield
    finally:
        lock.release()


def private_files() -> None:
    """Whatever this process and its children make is for this user only."""
    os.umask(0o077)


async def _lock(settings: Settings) -> FolderLock:
    """On one machine a second runtime is one too many. In a pod it is the one that is wanted, and
    if it ended, kubelet would start it again only after pauses that grow to minutes."""
    try:
        return FolderLock.take(settings.state_dir)
    except FolderBusy as busy:
        if not settings.in_pod:
            raise
        log.warning("waits_for_folder", extra={"reason": str(busy), "within_s": _LAST_POD_S})
    return await FolderLock.take_within(settings.state_dir, _LAST_POD_S)


def _make(name: str, folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{name}: {folder} cannot be used: {error.strerror}") from error
