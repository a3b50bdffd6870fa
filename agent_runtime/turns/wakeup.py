"""The CLI is wanted while no message needs it."""

import asyncio
import logging

from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import NotRecalled, RuntimeFault

log = logging.getLogger(__name__)

_START_S = 60.0
"""A message that comes meanwhile waits for the same start."""


class Wakeup:
    """Any task wishes for it, the runner's task does it, between turns. Event loop only."""

    def __init__(self, backend: Backend, runner: asyncio.Event) -> None:
        """`runner`: what the runner's task waits for when it has nothing to do."""
        self._backend = backend
        self._runner = runner
        self._done: asyncio.Future[str] | None = None

    @property
    def due(self) -> bool:
        return self._done is not None

    async def wish(self) -> None:
        """Return once the CLI runs. Raises NotRecalled when it does not come up."""
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
            self._runner.set()
        failure = await asyncio.shield(self._done)
        if failure:
            raise NotRecalled(failure)

    async def fulfil(self) -> None:
        """Start the CLI, if it does not run. Whatever fails, the runner's messages go on."""
        failure = ""
        try:
            async with asyncio.timeout(_START_S):
                if not self._backend.running:
                    await self._backend.start()
        except (RuntimeFault, TimeoutError) as error:
            failure = str(error) or "it does not come up in time"
            log.info("not_woken", extra={"reason": failure})
        except Exception:
            log.exception("not_woken")
            failure = "the backend's adapter failed; see the agent's log"
        finally:
            done, self._done = self._done, None
            if done is not None:
                done.set_result(failure)
