"""Agents that die at once are started again at growing intervals."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 300.0


@dataclass(frozen=True, slots=True)
class Mishap:
    """How an agent's last start or short life ended. `retry_at` is of the loop's clock."""

    count: int
    retry_at: float
    message: str


class Backoff:
    """What went wrong with which agent, and when to try again. Used by the event loop only."""

    def __init__(self) -> None:
        self._mishaps: dict[str, Mishap] = {}

    def failed(self, agent_id: str, message: str) -> Mishap:
        before = self._mishaps.get(agent_id)
        count = before.count + 1 if before else 1
        delay_s = min(FIRST_S * 2 ** min(count - 1, 16), LONGEST_S)
        mishap = Mishap(count, asyncio.get_running_loop().time() + delay_s, message)
        self._mishaps[agent_id] = mishap
        return mishap

    def forget(self, agent_id: str) -> None:
        self._mishaps.pop(agent_id, None)

    def keep(self, agent_ids: Collection[str]) -> None:
        """Forget all others."""
        self._mishaps = {key: kept for key, kept in self._mishaps.items() if key in agent_ids}

    def is_due(self, agent_id: str) -> bool:
        """Whether a start may be tried now."""
        mishap = self._mishaps.get(agent_id)
        return mishap is None or asyncio.get_running_loop().time() >= mishap.retry_at

    def message(self, agent_id: str) -> str:
        """What went wrong last, "" for nothing."""
        mishap = self._mishaps.get(agent_id)
        return mishap.message if mishap else ""
