"""Looking for changed gateway keys while nobody uses them."""

import asyncio
import logging

from gateway.keyring.file import LOOK_EVERY_S
from gateway.keyring.ring import Keyring

_logger = logging.getLogger(__name__)


class KeyWatch:
    """One task. Without it an idle replica would read a new key at its next use only.

    Whoever rotates the keys of a cluster waits for `gateway_keys_read` of every replica.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._look(), name="gateway-keys")
        self._task.add_done_callback(_tell_death)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _look(self) -> None:
        """For life."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._keyring.refresh()


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _logger.error("gateway_keys_unwatched", exc_info=error)
