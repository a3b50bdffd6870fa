"""When the runtime ends: asked to, idle, or retired and delivered."""

import asyncio
import logging

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.watch import Watch
from agent_runtime.model import TurnEnd
from agent_runtime.server.usage import Usage
from agent_runtime.turns import ends
from agent_runtime.turns.runner import Runner

log = logging.getLogger(__name__)

_TRIM_EVERY_S = 600.0


class Life:
    """Three small tasks that watch for an end, and the wish to end itself."""

    def __init__(
        self, *, journal: Journal, runner: Runner, usage: Usage, idle_exit_s: float
    ) -> None:
        self._journal = journal
        self._runner = runner
        self._usage = usage
        self._idle_exit_s = idle_exit_s
        self._over = asyncio.Event()
        self._retired = asyncio.Event()
        self.retiring = False

    def end(self) -> None:
        """Make `wait` return."""
        self._over.set()

    @property
    def ending(self) -> bool:
        return self._over.is_set()

    async def wait(self) -> None:
        await self._over.wait()

    async def retire(self, *, graceful: bool, end: TurnEnd = ends.INTERRUPTED) -> None:
        """End every turn like that; from then on the runtime stays only to deliver."""
        self.retiring = True
        try:
            await self._runner.retire(graceful=graceful, end=end)
        finally:  # also when the CLI cannot be ended, which comes last: nobody calls again
            self._retired.set()

    async def end_when_delivered(self) -> None:
        """Once retired: end when nothing is left to deliver."""
        await self._retired.wait()
        watch = self._journal.watch()
        try:
            while self._journal.outstanding.has_unsettled():
                await watch.changed()
        finally:
            watch.close()
        log.info("retired_and_delivered")
        self.end()

    async def end_when_idle(self) -> None:
        """Nothing to do for long: close Submit, end."""
        if not self._idle_exit_s:
            return
        watch = self._journal.watch()
        try:
            while not self._unused():
                await self._change_within(watch, max(0.05, self._idle_exit_s - self._usage.idle_s))
        finally:
            watch.close()
        self._runner.close()  # in the same step: what comes from here on is refused, not left
        log.info("idle_exit", extra={"idle_s": round(self._usage.idle_s)})
        self.end()

    async def trim(self) -> None:
        """Let go, from time to time, of what is too old."""
        while True:
            await asyncio.sleep(_TRIM_EVERY_S)
            await self._journal.trim()

    async def _change_within(self, watch: Watch, limit_s: float) -> None:
        """Whatever happens to a turn is use; so is that one is open."""
        if await watch.changed(timeout_s=limit_s) or self._journal.outstanding.has_unsettled():
            self._usage.touch()

    def _unused(self) -> bool:
        return (
            self._usage.idle_s >= self._idle_exit_s
            and not self._runner.busy
            and not self._journal.outstanding.has_unsettled()
        )
