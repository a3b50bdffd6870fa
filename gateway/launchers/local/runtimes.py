"""Brings runtimes up, one start at a time for an agent, and knows which of them serve."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from gateway.errors import GatewayError, NotFound, StartFailed, Unavailable
from gateway.launchers import health
from gateway.launchers.local.backoff import Backoff
from gateway.launchers.local.environment import credentials
from gateway.launchers.local.facts import AgentFacts
from gateway.launchers.local.folder import AgentFolder, Stamp, stamp
from gateway.launchers.local.lock import TAKEN_STATUS
from gateway.launchers.local.process import RuntimeProcess

_LOG = logging.getLogger(__name__)

_STARTS = 8
"""Runtimes between their spawn and their first answer at the same time; the others wait."""
_START_LIMIT_S = 60.0
_ANSWER_S = 30.0
_LOOK_AGAIN_S = 0.5
_SETTLED_S = 10.0
"""A runtime that lived so long did not die at once."""

Environment = Callable[[AgentFolder, AgentFacts], Mapping[str, str]]
"""What an agent's process is given. Raises GatewayError."""


class Runtimes:
    """Used by the event loop only. Owns the start tasks; runtimes themselves outlive it.

    A runtime counts as serving while its lock is held and its socket is the one
    that once answered: every runtime binds a new one, and what its predecessor
    left is removed before it starts.
    """

    def __init__(self, environment: Environment, *, on_end: Callable[[], None]) -> None:
        self._environment = environment
        self._on_end = on_end
        self._slots = asyncio.Semaphore(_STARTS)
        self._starts: dict[str, asyncio.Task[None]] = {}
        self._processes: dict[str, RuntimeProcess] = {}
        self._serving: dict[str, tuple[AgentFolder, Stamp]] = {}
        self.backoff = Backoff()

    def serving_target(self, agent_id: str) -> str | None:
        """Where it answers, if it is known to; one stat and one look at the lock."""
        known = self._serving.get(agent_id)
        if known is None:
            return None
        folder, _ = known
        if self.has_answered(agent_id) and folder.is_running():
            return folder.target
        del self._serving[agent_id]
        return None

    def has_answered(self, agent_id: str) -> bool:
        """Whether its socket is the one that once answered, dead or alive; one stat."""
        known = self._serving.get(agent_id)
        return known is not None and stamp(known[0].socket) == known[1]

    def is_starting(self, agent_id: str) -> bool:
        return agent_id in self._starts

    async def check(self, folder: AgentFolder, *, within_s: float) -> bool:
        """Ask a runtime that lives whether it serves; starts nothing."""
        if await health.serves(folder.target, within_s=within_s):
            self._note_serving(folder)
        return self.serving_target(folder.agent_id) is not None

    async def up(self, folder: AgentFolder, facts: AgentFacts, *, timeout_s: float) -> None:
        """Wait until it serves; start it where it does not run.

        Raises:
            NotFound: it has been deleted, and has nothing left to deliver.
            StartFailed: it ended instead; says how.
            Unavailable: not up in time; the start goes on.
        """
        start = self._starts.get(folder.agent_id)
        if start is None:
            start = self._begin(folder, facts, limit_s=max(timeout_s, _START_LIMIT_S))
        done, _ = await asyncio.wait({start}, timeout=timeout_s)
        if not done:
            raise Unavailable(f"agent {folder.agent_id} is starting, but was not up in time")
        if start.cancelled():
            raise Unavailable("this gateway is going down")
        start.result()

    def begin(self, folder: AgentFolder, facts: AgentFacts) -> None:
        """Start it without waiting, unless that is under way."""
        if not self.is_starting(folder.agent_id):
            self._begin(folder, facts, limit_s=_START_LIMIT_S)

    async def undo(self, agent_id: str) -> str:
        """End what this gateway has started there; its last words, "" for none."""
        start = self._starts.get(agent_id)
        if start is not None:
            start.cancel()
            await asyncio.wait({start})
        process = self._processes.pop(agent_id, None)
        self._serving.pop(agent_id, None)
        self.backoff.forget(agent_id)
        if process is None:
            return ""
        await process.end()
        return process.last_words()

    def keep(self, agent_ids: Collection[str]) -> None:
        """Forget what is known of all others, but for those that serve.

        They were made after somebody looked for these; where they are gone, so is the socket.
        """
        self.backoff.keep(agent_ids)
        for other in self._serving.keys() - set(agent_ids):
            if not self.has_answered(other):
                del self._serving[other]

    async def close(self) -> None:
        """Stop starting. Runtimes go on, also those that do not serve yet."""
        starts = set(self._starts.values())
        for start in starts:
            start.cancel()
        if starts:
            await asyncio.wait(starts)

    def _begin(
        self, folder: AgentFolder, facts: AgentFacts, *, limit_s: float
    ) -> asyncio.Task[None]:
        start = asyncio.create_task(
            self._start(folder, facts, limit_s), name=f"start-{folder.agent_id}"
        )
        self._starts[folder.agent_id] = start
        start.add_done_callback(partial(self._start_ended, folder.agent_id))
        return start

    def _start_ended(self, agent_id: str, start: asyncio.Task[None]) -> None:
        del self._starts[agent_id]
        error = None if start.cancelled() else start.exception()
        if error is None or isinstance(error, NotFound):
            return
        mishap = self.backoff.failed(agent_id, str(error))
        _LOG.warning(
            "start_failed",
            extra={"agent": agent_id, "count": mishap.count, "reason": str(error)},
            exc_info=None if isinstance(error, GatewayError) else error,
        )

    async def _start(self, folder: AgentFolder, facts: AgentFacts, limit_s: float) -> None:
        try:
            async with asyncio.timeout(limit_s):
                while not await self._try(folder, facts):
                    pass
        except TimeoutError as error:
            raise StartFailed(f"not up within {limit_s:g} s") from error

    async def _try(self, folder: AgentFolder, facts: AgentFacts) -> bool:
        """Start it unless it runs, and wait until it serves; False: look again.

        Only a runtime that starts here takes a slot: one that hangs may be watched
        for long, and others must start meanwhile.
        """
        if not folder.is_running():
            async with self._slots:
                if folder.is_deleted() and folder.is_clean():
                    raise NotFound(f"there is no agent {folder.agent_id}")
                if folder.make_way():
                    return await self._first_answer(folder, self._spawn(folder, facts))
        return await self._answers(folder, self._processes.get(folder.agent_id))

    async def _first_answer(self, folder: AgentFolder, process: RuntimeProcess) -> bool:
        """Of a runtime just spawned; raises NotFound or StartFailed when it ends instead."""
        if await self._answers(folder, process):
            return True
        if process.ended.done():
            _judge_end(folder, process)
        return False

    async def _answers(self, folder: AgentFolder, process: RuntimeProcess | None) -> bool:
        """Wait until it serves; False: it ended, if it is a child of ours, or time is up."""
        within_s = _ANSWER_S if process else _LOOK_AGAIN_S
        answers = asyncio.create_task(health.serves(folder.target, within_s=within_s))
        awaited: set[asyncio.Future[Any]] = {answers}
        if process is not None:
            awaited.add(process.ended)
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answers.cancel()
            await asyncio.wait({answers})
        if not answers.cancelled() and answers.result():
            self._note_serving(folder)
            return True
        return False

    def _spawn(self, folder: AgentFolder, facts: AgentFacts) -> RuntimeProcess:
        env = self._environment(folder, facts)
        process = RuntimeProcess.start(
            env=env,
            cwd=folder.path,
            log_path=folder.log,
            secrets=(*facts.env.values(), *credentials(env)),
        )
        self._processes[folder.agent_id] = process
        process.ended.add_done_callback(partial(self._process_ended, folder, process))
        _LOG.info("runtime_started", extra={"agent": folder.agent_id, "pid": process.pid})
        return process

    def _process_ended(
        self, folder: AgentFolder, process: RuntimeProcess, ended: asyncio.Future[int]
    ) -> None:
        if self._processes.get(folder.agent_id) is not process:
            return
        del self._processes[folder.agent_id]
        lived_s = asyncio.get_running_loop().time() - process.started_at
        extra = {
            "agent": folder.agent_id,
            "status": ended.result(),
            "lived_s": round(lived_s, 1),
        }
        _LOG.info("runtime_ended", extra=extra)
        if folder.is_clean() or lived_s > _SETTLED_S:
            self.backoff.forget(folder.agent_id)
        elif not self.is_starting(folder.agent_id):  # else its start tells
            self.backoff.failed(folder.agent_id, _ending(process))
        self._on_end()

    def _note_serving(self, folder: AgentFolder) -> None:
        bound = stamp(folder.socket)
        if bound is not None:
            self._serving[folder.agent_id] = (folder, bound)


def _judge_end(folder: AgentFolder, process: RuntimeProcess) -> None:
    """Return when another try makes sense; raises NotFound or StartFailed."""
    if process.ended.result() == TAKEN_STATUS:
        return
    if not folder.is_clean():
        raise StartFailed(_ending(process))
    if folder.is_deleted():
        raise NotFound(f"there is no agent {folder.agent_id}")


def _ending(process: RuntimeProcess) -> str:
    status = process.ended.result()
    how = f"status {status}" if status >= 0 else f"signal {-status}"
    words = process.last_words()
    return f"the agent's process ended with {how}" + (f": {words}" if words else "")
