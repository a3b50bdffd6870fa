"""What happens around the runtime without anybody telling it: the deletion, its lost socket."""

import asyncio
import logging
from pathlib import Path

from agent_runtime.server.life import Life
from agent_runtime.turns.runner import Runner

log = logging.getLogger(__name__)

DELETED = "deleted"
"""The launcher's mark in the state folder: deliver what is left, then end."""

LOOK_EVERY_S = 1.0
TELL_WITHIN_S = 3.0
"""A gateway that wrote the mark calls Retire at once; one that died first never does."""


class Surroundings:
    """One task. `socket` None: it listens on TCP."""

    def __init__(self, *, folder: Path, socket: Path | None, life: Life, runner: Runner) -> None:
        self._folder = folder
        self._socket = socket
        self._life = life
        self._runner = runner
        self._deleted_looks = 0

    @property
    def deleted(self) -> bool:
        return (self._folder / DELETED).exists()

    async def watch(self) -> None:
        """For life; begins when the socket is there."""
        bound = self._inode()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.deleted:
                await self._retire_untold()
            if self._inode() != bound and not self._runner.processing:
                # Nobody can reach it any more; the next runtime makes the socket anew.
                log.error("socket_gone", extra={"socket": str(self._socket)})
                self._life.end()
                return

    async def _retire_untold(self) -> None:
        self._deleted_looks += 1
        if self._deleted_looks * LOOK_EVERY_S >= TELL_WITHIN_S and not self._life.retiring:
            log.info("retiring_untold")
            await self._life.retire(graceful=False)

    def _inode(self) -> int:
        if self._socket is None:
            return 0
        try:
            return self._socket.stat().st_ino
        except OSError:
            return -1
