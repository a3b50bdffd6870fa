"""Starts every agent that should run and does not, removes those that are done.

So that a killed runtime, or a rebooted machine, leaves no turn without its final.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gateway.errors import GatewayError
from gateway.launchers.local import nudge, sockets
from gateway.launchers.local.folder import AgentFolder, Sighting
from gateway.launchers.local.folders import AgentFolders, Survey
from gateway.launchers.local.runtimes import Runtimes

_LOG = logging.getLogger(__name__)

_STARTS = 4
"""Of those that `Runtimes` allows; the rest are for agents that somebody waits for."""
_START_WAIT_S = 60.0
_EMPTYING_GRACE_S = 2.0
_LONGEST_PAUSE_S = 30.0
"""Between rounds that fail."""

Look = Callable[[], Coroutine[Any, Any, Survey]]
"""Looks at all agents. Raises GatewayError."""


class Sweep:
    """Runs every `every_s`, and at once when `changed` is set. Owns its tasks."""

    def __init__(
        self,
        look: Look,
        folders: AgentFolders,
        runtimes: Runtimes,
        sockets: Path,
        *,
        changed: asyncio.Event,
        every_s: float,
    ) -> None:
        self._look = look
        self._folders = folders
        self._runtimes = runtimes
        self._sockets = sockets
        self._every_s = every_s
        self._changed = changed
        self._starts: set[asyncio.Task[None]] = set()
        self._emptying: asyncio.Task[None] | None = None
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="sweep")
        self._loop.add_done_callback(_notice_death)

    async def close(self) -> None:
        """Idempotent. A long removal goes on in its thread, or in the next gateway."""
        tasks = {task for task in (self._loop, *self._starts) if task}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._emptying is not None:
            await asyncio.wait({self._emptying}, timeout=_EMPTYING_GRACE_S)
            self._emptying.cancel()

    async def _run(self) -> None:
        failures = 0
        while True:
            self._changed.clear()
            failures = 0 if await self._succeeds() else failures + 1
            if failures:  # nothing that changes ends this pause: what fails must not spin
                await asyncio.sleep(
                    min(self._every_s * 2 ** min(failures - 1, 8), _LONGEST_PAUSE_S)
                )
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._changed.wait()

    async def _succeeds(self) -> bool:
        """One round. Whatever breaks it, the agents need the next one."""
        try:
            await self._round(await self._look())
        except GatewayError as error:
            _LOG.warning("sweep_failed", extra={"reason": str(error)})
        except Exception:  # noqa: BLE001 - a fault of ours must not leave agents dead
            _LOG.exception("sweep_failed")
        else:
            return True
        return False

    async def _round(self, survey: Survey) -> None:
        await asyncio.to_thread(sockets.prepare, self._sockets)  # it may have been wiped
        removed = False
        for seen in survey.sightings:
            if seen.running or self._runtimes.is_starting(seen.folder.agent_id):
                continue
            if seen.deleted and seen.clean:
                removed |= await self._discard(seen.folder)
            elif not seen.clean:
                self._restart(seen)
        for folder in survey.abandoned:
            removed |= await self._discard(folder)
        if removed or survey.has_trash:
            self._empty_trash()
        await asyncio.to_thread(nudge.clear_dead, self._sockets)

    def _restart(self, seen: Sighting) -> None:
        due = self._runtimes.backoff.is_due(seen.folder.agent_id)
        if due and len(self._starts) < _STARTS:
            task = asyncio.create_task(self._up(seen), name=f"sweep-{seen.folder.agent_id}")
            self._starts.add(task)
            task.add_done_callback(self._start_ended)

    async def _up(self, seen: Sighting) -> None:
        with contextlib.suppress(GatewayError):  # told, logged and retried by then
            await self._runtimes.up(seen.folder, seen.facts, timeout_s=_START_WAIT_S)

    def _start_ended(self, task: asyncio.Task[None]) -> None:
        self._starts.discard(task)
        _notice_death(task)
        self._changed.set()  # the next in line

    async def _discard(self, folder: AgentFolder) -> bool:
        if await asyncio.to_thread(folder.discard) is None:
            return False
        _LOG.info("agent_removed", extra={"agent": folder.agent_id})
        return True

    def _empty_trash(self) -> None:
        if self._emptying is None or self._emptying.done():
            self._emptying = asyncio.create_task(
                asyncio.to_thread(self._folders.empty_trash), name="empty-trash"
            )
            self._emptying.add_done_callback(_notice_death)


def _notice_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception():
        _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=task.exception())
