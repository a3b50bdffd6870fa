"""What a CLI asks during one prompt, a task each, so that the prompt's own task reads on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from agent_runtime.backends.asks import Pending
from agent_runtime.errors import BackendCrashed

log = logging.getLogger(__name__)

A = TypeVar("A")


class OpenAsks:
    """Made by the prompt's task, which closes it when the prompt is over."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(
        self, prompt_id: str, pending: Pending[A], tell: Callable[[A], Awaitable[None]]
    ) -> None:
        """`tell` tells the CLI what was answered."""
        task = asyncio.create_task(_carry(pending, tell), name=f"{self._name}-ask")
        self._tasks[prompt_id] = task
        task.add_done_callback(lambda done: self._done(prompt_id, done))
        task.add_done_callback(lambda _: pending.withdraw())  # it may have had no time to begin

    def withdraw(self, prompt_id: str) -> None:
        """The CLI does not want to know any more."""
        if (task := self._tasks.get(prompt_id)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Nobody waits for an answer any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, prompt_id: str, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(prompt_id) is task:
            del self._tasks[prompt_id]
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, BackendCrashed):  # the prompt's own task learns of it by itself
            log.info("answer_lost", extra={"reason": str(error)})
        else:
            log.error("ask_failed", exc_info=error)


async def _carry(pending: Pending[A], tell: Callable[[A], Awaitable[None]]) -> None:
    await tell(await pending.answer())
