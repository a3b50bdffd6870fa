"""What SIGTERM and SIGINT mean: where the journal is kept, and where it goes with the pod."""

import asyncio
import logging
import signal

from agent_runtime.server.life import Life
from agent_runtime.turns import ends
from agent_runtime.turns.runner import Runner

log = logging.getLogger(__name__)


class Signals:
    """One task carries out the first signal; each further one takes the running turn's grace.

    A kept journal is the next runtime's: end, and leave to it what is open. A
    volatile one has no next: end what is open as lost, and stay to deliver, until
    the process is killed. A pod that was retired stays to deliver anyway: its
    volume goes with its agent.
    """

    def __init__(self, *, life: Life, runner: Runner, in_pod: bool, volatile: bool) -> None:
        self._life = life
        self._runner = runner
        self._in_pod = in_pod
        self._volatile = volatile
        self._came = asyncio.Event()

    def own(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._signalled)

    async def obey(self) -> None:
        """For life."""
        await self._came.wait()
        if self._in_pod and self._life.retiring:
            log.info("stays_to_deliver")
        elif self._volatile:
            log.info("pod_taken_away")
            await self._lose()
        else:
            self._life.end()

    async def _lose(self) -> None:
        try:
            await self._life.retire(graceful=True, end=ends.LOST)
        except Exception:  # what has ended is delivered all the same
            log.exception("backend_not_stopped")

    def _signalled(self) -> None:
        if self._came.is_set() or self._life.ending:
            self._runner.hurry()
        self._came.set()
