"""One queued turn that runs: what the backend is asked for, its time limit, its interrupt."""

import asyncio
import logging
from dataclasses import dataclass, replace
from enum import Enum

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Code, Outcome, TurnEnd
from agent_runtime.turns import ends
from agent_runtime.turns.clock import TurnClock
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.sink import JournalSink

log = logging.getLogger(__name__)

_OBEY_S = 5.0
"""How long a CLI may take to obey an interrupt before its processes are ended."""
_STEER_S = 5.0
"""How long a CLI may take to take a message into the running turn."""


class _Ending(Enum):
    BY_ITSELF = "by itself"
    INTERRUPT = "interrupt"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Say:
    """A message to be answered."""

    message: Message

    async def do(self, backend: Backend, sink: JournalSink) -> TurnEnd:
        return await backend.prompt(self.message, sink)


@dataclass(frozen=True, slots=True)
class NewSession:
    """Another conversation from here on; `fork`: which begins as the one before."""

    fork: bool

    async def do(self, backend: Backend, sink: JournalSink) -> TurnEnd:
        await sink.session(await backend.new_session(fork=self.fork))
        return ends.DONE


class Prompt:
    """Owned by the runner's task; `interrupt`, `make_way` and `steer` may be called by any."""

    def __init__(
        self, backend: Backend, work: Say | NewSession, sink: JournalSink, clock: TurnClock
    ) -> None:
        self._backend = backend
        self._work = work
        self._sink = sink
        self._clock = clock
        self._interrupted: asyncio.Future[TurnEnd] = asyncio.get_running_loop().create_future()

    def interrupt(self, end: TurnEnd = ends.INTERRUPTED) -> None:
        """Make `run` end soon, like that unless the prompt completes; the first one counts."""
        if not self._interrupted.done():
            self._interrupted.set_result(end)

    def make_way(self) -> None:
        """For a message that is wanted now; but first comes the session that it is to be in."""
        if isinstance(self._work, Say):
            self.interrupt()

    async def steer(self, message: Message, policy: Policy) -> bool:
        """Take another message in, whose policy comes first from then on; False: not possible."""
        if not isinstance(self._work, Say) or Capability.STEER not in self._backend.capabilities:
            return False
        if not self._sink.heed(policy):
            return False
        try:
            async with asyncio.timeout(_STEER_S):
                return await self._backend.steer(message)
        except (TimeoutError, BackendCrashed) as error:
            log.info("not_steered", extra={"reason": str(error) or "time is up"})
            return False

    async def run(self) -> TurnEnd:
        """To the end, whatever the CLI does; at most the limit and the time it takes to stop."""
        work = asyncio.create_task(self._drive(), name="prompt")
        try:
            with self._clock.running():
                ending = await self._wait(work)
            if ending is not _Ending.BY_ITSELF:
                await self._halt(work)
            return self._end(ending, await self._result(work))
        finally:
            work.cancel()
            self._sink.close()

    async def _drive(self) -> TurnEnd:
        if not self._backend.running:
            await self._backend.start()
        if self._interrupted.done():
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        return await self._work.do(self._backend, self._sink)

    async def _wait(self, work: "asyncio.Task[TurnEnd]") -> _Ending:
        ends = (work, self._interrupted, self._clock.over)
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return _Ending.BY_ITSELF
        return _Ending.INTERRUPT if self._interrupted.done() else _Ending.LIMIT

    async def _halt(self, work: "asyncio.Task[TurnEnd]") -> None:
        """Interrupt; what does not obey loses its processes, and at last its task."""
        self._sink.give_up()
        try:
            async with asyncio.timeout(_OBEY_S):
                await self._backend.interrupt()
                await asyncio.wait({work})
        except Exception as error:  # noqa: BLE001 - whatever the adapter does, the turn ends
            log.warning("interrupt_not_obeyed", extra={"reason": str(error) or "time is up"})
            await self._stop_backend()
            await asyncio.wait({work}, timeout=_OBEY_S)
        work.cancel()
        await asyncio.wait({work})

    async def _result(self, work: "asyncio.Task[TurnEnd]") -> TurnEnd:
        if work.cancelled():
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        error = work.exception()
        if error is None:
            return work.result()
        await self._stop_backend()
        if isinstance(error, BackendUnusable | BackendCrashed):
            return _failed(Code.BACKEND_CRASHED, str(error))
        log.error("backend_failed", exc_info=error)
        return _failed(Code.PROCESSING_ERROR, "the backend's adapter failed; see the agent's log")

    async def _stop_backend(self) -> None:
        try:
            await self._backend.stop()
        except Exception:
            log.exception("backend_not_stopped")

    def _end(self, ending: _Ending, end: TurnEnd) -> TurnEnd:
        by_itself = ending is _Ending.BY_ITSELF
        obeyed = by_itself and end.outcome is Outcome.INTERRUPTED and self._interrupted.done()
        if end.outcome is Outcome.COMPLETED or (by_itself and not obeyed):
            return end
        if obeyed or ending is _Ending.INTERRUPT:
            return replace(self._interrupted.result(), usage=end.usage)
        return TurnEnd(
            outcome=Outcome.TIMED_OUT,
            code=Code.TURN_TIMEOUT,
            message=f"the turn ran longer than its limit of {self._clock.limit_s:g} s",
            usage=end.usage,
        )


def _failed(code: Code, message: str) -> TurnEnd:
    return TurnEnd(outcome=Outcome.FAILED, code=code, message=message)
