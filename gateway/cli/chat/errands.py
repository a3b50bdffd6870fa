"""Calls that go on while the conversation does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gateway.cli.errors import Trouble


class Errands:
    """Owns their tasks. `told` gets what goes wrong; an errand that fails ends nothing else."""

    def __init__(self, told: Callable[[Trouble], None]) -> None:
        self._told = told
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._run(work), name=f"chat-{name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """None goes on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Trouble as trouble:
            self._told(trouble)
