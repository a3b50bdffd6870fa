"""Callers who give up on nothing: every turn is sent until some gateway has accepted it."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.plan import Plan
from tests.peers.gateway import GatewayProcess

_AGAIN_S = 0.2
_ANSWERS_S = 6.0
_BATCHES, _LEAVES_ONE = 0.25, 0.3
"""The share of turns."""
_REFUSALS = frozenset({429, 503})
"""What a caller is asked to repeat."""


@dataclass
class Slot:
    """A gateway's place: another process is in it after each kill, None in between."""

    gateway: GatewayProcess | None = None


@dataclass
class Crowd:
    """`accepted`: the agent of each accepted turn. `surprises`: answers nobody was promised."""

    plan: Plan
    slots: Sequence[Slot]
    webhook_url: str
    webhook_secret: str
    accepted: dict[str, str] = field(default_factory=dict)
    surprises: list[str] = field(default_factory=list)
    tries: int = 0

    async def send_all(self, agents: Sequence[str]) -> None:
        """The turns of the plan, spread over its time; returns when all are accepted."""
        async with asyncio.TaskGroup() as group:
            for number in range(self.plan.turns):
                agent = agents[number % len(agents)]
                group.create_task(self._send(agent, f"turn-{number}"), name=f"send-{number}")

    async def _send(self, agent: str, request_id: str) -> None:
        chance = self.plan.chance(request_id)
        await asyncio.sleep(chance.uniform(0, self.plan.chaos_s * 0.8))  # when it comes is drawn
        asked = {"content": script(request_id, chance), "delivery": delivery(chance)}
        while request_id not in self.accepted:
            self.tries += 1
            gateway = chance.choice(self.slots).gateway
            if (
                gateway is not None
                and gateway.url
                and await self._try(gateway, agent, request_id, asked)
            ):
                self.accepted[request_id] = agent
                return
            await asyncio.sleep(_AGAIN_S)  # as a caller backs off

    async def _try(
        self, gateway: GatewayProcess, agent: str, request_id: str, asked: dict[str, Any]
    ) -> bool:
        with contextlib.suppress(httpx.TransportError):
            async with gateway.client() as client:
                client.http.timeout = httpx.Timeout(_ANSWERS_S)
                answer = await client.send(
                    agent,
                    webhook_url=self.webhook_url,
                    webhook_secret=self.webhook_secret,
                    request_id=request_id,
                    **asked,
                )
            if answer.status_code not in {202, *_REFUSALS}:
                self.surprises.append(f"{request_id}: {answer.status_code} {answer.text}")
            return answer.status_code == 202
        return False


def delivery(chance: random.Random) -> dict[str, Any]:
    """Of some turns events travel together."""
    if chance.random() >= _BATCHES:
        return {}
    return {"batch": {"max_events": chance.randint(2, 32), "max_wait_ms": chance.choice((0, 50))}}


def script(request_id: str, chance: random.Random) -> str:
    """Bash for one turn: tells a file that it runs, then a number of lines at some pace.

    Some leave a process behind that no broken pipe ends.
    """
    lines, pause_s = chance.randint(1, 60), chance.choice((0, 0.02, 0.05, 0.1))
    behind = "sleep 300 > /dev/null 2>&1 &\n" if chance.random() < _LEAVES_ONE else ""
    return (
        f"echo {request_id} >> started\n{behind}"
        f"for i in $(seq {lines}); do echo $i; sleep {pause_s}; done"
    )
