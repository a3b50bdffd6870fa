"""The load, from an empty folder to its verdict."""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.peers.gateway import Client, GatewayProcess, House, house
from tests.peers.processes import connections, runtimes
from tests.peers.sink_process import SinkProcess, sink, stats
from tests.peers.warden import warden
from tests.soak.samples import Held, Sample

AGENTS = 4
ERRORS = 0.1
SECRET = "whsec_c29hay1zb2FrLXNvYWstc29hay1zb2Fr"
_SETTINGS = {"WEBHOOK_CIRCUIT_TIMEOUT": "1s"}
"""Five failures in a row come by chance every two minutes, and a minute without load after
each would hide what grows under it."""
_EVENTS = (20, 400)
_GAP_US = 5000
_ENDED = "runtime_ended"
"""By which a gateway tells that, and with what status."""
_LATE_S = 180.0
_QUIET_S = 60.0
"""Within which every connection that nobody uses is to be closed."""
_CONNECTIONS_LEFT = 2
"""Those by which it is loaded and looked at."""


@dataclass(frozen=True, slots=True)
class Soaked:
    """`broken`: what was lost, doubled in its finals or out of order."""

    samples: Sequence[Sample]
    broken: Sequence[str]


@dataclass
class _Load:
    """`events`: how many each accepted turn makes, its final included."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def soak(seconds: float, every_s: float, told: "asyncio.Queue[Sample]") -> Soaked:
    """`told` gets each sample as it is taken."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forge-soak-")))
        stack.enter_context(warden(folder))
        async with sink("--errors", str(ERRORS)) as receiver, house(folder) as place:
            gateway = await place.gateway(FORGE_BACKEND="emitter", **_SETTINGS)
            async with gateway.client() as client:
                agents = [await client.create(backend="emitter") for _ in range(AGENTS)]
                watch = _Watch(_watched(gateway, place), client, receiver, told)
                async with _load(client, agents, receiver) as load:
                    await watch.run(seconds, every_s)
                if watch.ended:
                    watch.ended += [line for line in place.logs().splitlines() if _ENDED in line]
                broken = await _broken(load, receiver)
                return Soaked(watch.samples, [*watch.ended, *broken, *await watch.rest()])


@asynccontextmanager
async def _load(
    client: Client, agents: Sequence[str], receiver: SinkProcess
) -> AsyncIterator[_Load]:
    """Turn after turn for each agent until the block ends; no message is cut off then."""
    load = _Load()
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(_turns(client, agent, receiver, load), name=f"load-{agent}")
        try:
            yield load
        finally:
            load.over.set()


async def _turns(client: Client, agent: str, receiver: SinkProcess, load: _Load) -> None:
    """As many as the agent makes: a turn is sent when the one before has about ended."""
    chance = random.Random(agent)
    while not load.over.is_set():
        events = chance.randint(*_EVENTS)
        content = f"events={events} size=300 gap={_GAP_US} tasks=1"
        url = f"{receiver.base}/hook"
        answer = await client.send(agent, content, url, webhook_secret=SECRET)
        if answer.status_code == 202:
            load.events.append(events + 1)
        else:
            load.refused.append(f"a message was refused: {answer.status_code} {answer.text}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(events * _GAP_US / 1e6):
                await load.over.wait()


@dataclass(frozen=True, slots=True)
class _Watched:
    """`tasks`: where a runtime says how many it has, at each turn's beginning."""

    pid: int
    tasks: Path | None = None

    async def held(self, gateway: Client) -> Held:
        """Raises OSError or httpx.TransportError when it is gone."""
        if self.tasks is None:
            return Held.of(self.pid, tasks=await gateway.tasks())
        told = int(self.tasks.read_text()) if self.tasks.exists() else 0  # before its first turn
        return Held.of(self.pid, tasks=told)


@dataclass
class _Watch:
    """`ended`: which processes did, in words; it stops there."""

    watched: Mapping[str, _Watched]
    client: Client
    receiver: SinkProcess
    told: "asyncio.Queue[Sample]"
    samples: list[Sample] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    async def run(self, seconds: float, every_s: float) -> None:
        began_s = time.monotonic()
        while not self.ended and (at_s := time.monotonic() - began_s) < seconds:
            await self._look(at_s)
            await asyncio.sleep(every_s)  # how often it is looked at

    async def rest(self) -> list[str]:
        """Once all is quiet, no more is open than was before; what is, in words."""
        if self.ended:
            return []
        before = self.samples[0].held["gateway"].connections + _CONNECTIONS_LEFT
        try:
            async with asyncio.timeout(_QUIET_S):
                while (now := connections(self.watched["gateway"].pid)) > before:
                    await asyncio.sleep(1)
        except TimeoutError:
            return [f"{now} connections are open {_QUIET_S:.0f} s after the last event"]
        return []

    async def _look(self, at_s: float) -> None:
        taken = (await stats(self.receiver.base))["total"]
        held: dict[str, Held] = {}
        for name, watched in self.watched.items():
            try:
                held[name] = await watched.held(self.client)
            except (OSError, httpx.TransportError):
                self.ended.append(f"{name} ended by itself after {at_s:.0f} s")
                return
        self.samples.append(Sample(at_s, taken, held))
        self.told.put_nowait(self.samples[-1])


def _watched(gateway: GatewayProcess, place: House) -> dict[str, _Watched]:
    assert gateway.process is not None
    numbered = {
        f"runtime {number}": _Watched(pid, place.state / "agents" / agent / "home" / "tasks")
        for number, (agent, pid) in enumerate(runtimes(place.state).items(), 1)
    }
    return {"gateway": _Watched(gateway.process.pid), **numbered}


async def _broken(load: _Load, receiver: SinkProcess) -> list[str]:
    """Once all has come, or time is up."""
    ends_s, due = time.monotonic() + _LATE_S, sum(load.events)
    while (counted := await stats(receiver.base))["finals"] < len(load.events):
        if time.monotonic() > ends_s:
            break
        await asyncio.sleep(0.5)
    found = {
        f"{counted['total']} of {due} events came": counted["total"] != due,
        f"{counted['not_one_final']} turns without one final": counted["not_one_final"] > 0,
        f"{counted['dup']} events came twice": counted["dup"] > 0,
        f"{counted['out_of_order']} events were out of order": counted["out_of_order"] > 0,
    }
    return [*load.refused, *(what for what, holds in found.items() if holds)]
