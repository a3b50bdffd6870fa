"""Which pods' gRPC has answered this gateway since their container started."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.launchers import health

_LOG = logging.getLogger(__name__)

_CHECKS = 64
"""At the same time; more wait for their turn."""
_RECONNECT_MS = 100
_LONGEST_RECONNECT_MS = 400
"""Many may be starting on a machine that is busy with just that: whoever takes long is asked less
often. At 100 ms each agent costs every gateway 2.5 ms of CPU a second."""
_ANSWER_S = 2.0
"""How long one check may take; what does not answer is checked again behind the others."""
_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Life:
    """One start of one agent's container, and where it answers."""

    container_id: str
    target: str


class Answers:
    """Asks gRPC health, a task an agent until it has answered. Owns those tasks.

    `on_answer` is told the agent's id.
    """

    def __init__(self, on_answer: Callable[[str], None]) -> None:
        self._on_answer = on_answer
        self._checks = asyncio.Semaphore(_CHECKS)
        self._lives: dict[str, Life] = {}
        self._answered: set[str] = set()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def has(self, agent_id: str, life: Life | None) -> bool:
        """Whether it has answered in this very life."""
        return agent_id in self._answered and self._lives.get(agent_id) == life

    def look(self, agent_id: str, life: Life | None) -> None:
        """What is known of it now; None: it does not run. A new life is asked."""
        if self._lives.get(agent_id) == life:
            return
        self._forget(agent_id)
        if life is not None:
            self._lives[agent_id] = life
            task = asyncio.create_task(self._ask(agent_id, life), name=f"health-{agent_id}")
            self._tasks[agent_id] = task
            task.add_done_callback(partial(self._asked, agent_id))

    async def settle(self, *, within_s: float) -> None:
        """Until all that are being asked have answered, or that time is up."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=within_s)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget(self, agent_id: str) -> None:
        self._lives.pop(agent_id, None)
        self._answered.discard(agent_id)
        if (task := self._tasks.pop(agent_id, None)) is not None:
            task.cancel()

    async def _ask(self, agent_id: str, life: Life) -> None:
        pause_s, reconnect_ms = _PAUSE_S, _RECONNECT_MS
        while True:
            async with self._checks:
                if await health.serves(life.target, within_s=_ANSWER_S, reconnect_ms=reconnect_ms):
                    break
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            reconnect_ms = min(reconnect_ms * 2, _LONGEST_RECONNECT_MS)
        self._answered.add(agent_id)
        self._on_answer(agent_id)

    def _asked(self, agent_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(agent_id) is task:
            del self._tasks[agent_id]
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=error)
