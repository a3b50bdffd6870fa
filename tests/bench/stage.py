"""What all cases share: one gateway, some agents that emit, who sends and who receives."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.bench.driver import Acceptances, Load, Outside, outside
from tests.peers.gateway import House, house
from tests.peers.processes import Usage, runtimes
from tests.peers.sink_process import stats

_LOOK_S = 0.1
_LONGEST_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One load, from its first message to its last final.

    `cpu_us`: of the gateway and of all runtimes, for each event received.
    `broken`: what must not happen at any speed, in words.
    """

    accepted: Acceptances
    received: Mapping[str, Any]
    seconds: float
    gateway_us: float
    runtime_us: float
    broken: Sequence[str]

    @property
    def per_s(self) -> float:
        return float(self.received["per_s"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`url`, `pid`: of the gateway. `agents`: pid by id."""

    house: House
    outside: Outside
    url: str
    pid: int
    agents: Mapping[str, int]

    async def run(self, content: str, *, messages: int, at_once: int, agents: int) -> Run:
        """`agents`: how many share the messages."""
        load = Load(
            base=self.url,
            agents=list(self.agents)[:agents],
            sink=self.outside.sink,
            content=content,
            messages=messages,
            at_once=at_once,
        )
        before, began_s = self.cpu_s(), time.monotonic()
        accepted = await self.outside.driver.send(load)
        received = await self.settled(messages)
        after, seconds = self.cpu_s(), time.monotonic() - began_s
        events = max(1, int(received["total"]))
        return Run(
            accepted=accepted,
            received=received,
            seconds=seconds,
            gateway_us=(after[0] - before[0]) / events * 1e6,
            runtime_us=(after[1] - before[1]) / events * 1e6,
            broken=broken(received, content, messages, accepted.count, accepted.refused),
        )

    async def settled(self, finals: int) -> Mapping[str, Any]:
        """What the receiver has counted, once it has so many finals or time is up."""
        ends_s = time.monotonic() + _LONGEST_S
        while True:
            counted = await stats(self.outside.sink)
            if counted["finals"] >= finals or time.monotonic() > ends_s:
                return counted
            await asyncio.sleep(_LOOK_S)

    def cpu_s(self) -> tuple[float, float]:
        """Seconds of the gateway, and of all runtimes."""
        agents = sum(Usage.of(pid).cpu_s for pid in self.agents.values())
        return Usage.of(self.pid).cpu_s, agents


def asked(content: str) -> int:
    """How many events a message makes, its final included."""
    words = dict(pair.split("=", 1) for pair in content.split())
    return int(words["events"]) + 1


def broken(
    received: Mapping[str, Any], content: str, messages: int, accepted: int, refused: str
) -> list[str]:
    """What must not happen at any speed, in words: `content` was sent so often, and taken so
    often; `refused` is what else was answered."""
    due = messages * asked(content)
    found = {
        f"{accepted} of {messages} accepted ({refused})": accepted != messages,
        f"{received['total']} events instead of {due}": received["total"] != due,
        f"{received['not_one_final']} turns without one final": received["not_one_final"] > 0,
        f"{received['dup']} came twice": received["dup"] > 0,
        f"{received['out_of_order']} out of order": received["out_of_order"] > 0,
    }
    return [what for what, holds in found.items() if holds]


@asynccontextmanager
async def crowd(made: Stage, *, agents: int) -> AsyncIterator[Stage]:
    """The same with other agents, which are deleted afterwards."""
    gateway = made.house.gateways[0]
    async with gateway.client() as client:
        ids = [await client.create(backend="emitter") for _ in range(agents)]
        pids = runtimes(made.house.state)
        try:
            yield replace(made, agents={agent: pids[agent] for agent in ids})
        finally:
            for agent in ids:
                await client.delete(agent)


@asynccontextmanager
async def stage(folder: Path, *, agents: int) -> AsyncIterator[Stage]:
    """Set up, until the block ends; `agents` are ready."""
    async with outside(folder) as others, house(folder, FORGE_BACKEND="emitter") as place:
        gateway = await place.gateway()
        assert gateway.process is not None
        async with gateway.client() as client:
            await asyncio.gather(*(client.create(backend="emitter") for _ in range(agents)))
        yield Stage(
            house=place,
            outside=others,
            url=gateway.url,
            pid=gateway.process.pid,
            agents=runtimes(place.state),
        )
