"""Hands that kill and stop. Each owns what it breaks, and puts it together again."""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.crowd import Slot
from tests.peers.gateway import House
from tests.peers.processes import runtimes
from tests.peers.sink_process import SinkProcess

_LONG_STOP_S = 12.0
"""Longer than a silent relay is taken for alive."""


@dataclass
class Hand:
    """Acts again and again until it is cancelled. `done` counts what it has done."""

    chance: random.Random
    rests_s: tuple[float, float]
    done: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(*self.rests_s))  # when it strikes is drawn
            await self.strike()

    async def strike(self) -> None:
        raise NotImplementedError

    async def stop_for(self, what: str, send: Callable[[signal.Signals], None], s: float) -> None:
        """SIGSTOP, and SIGCONT whatever happens."""
        self.done[f"{what} stopped"] += 1
        send(signal.SIGSTOP)
        try:
            await asyncio.sleep(s)  # how long it hangs is drawn
        finally:
            send(signal.SIGCONT)


@dataclass
class GatewayHand(Hand):
    """Of one gateway's place."""

    house: House = field(kw_only=True)
    slot: Slot = field(kw_only=True)

    async def strike(self) -> None:
        gateway = self.slot.gateway
        if gateway is None or gateway.process is None or self.chance.random() < 0.6:
            await self.replace()
            return
        long = self.chance.random() < 0.25
        stop_s = _LONG_STOP_S if long else self.chance.uniform(0.5, 4)
        await self.stop_for("gateway", gateway.process.send_signal, stop_s)

    async def replace(self) -> None:
        """kill -9; after a while another one."""
        if self.slot.gateway is not None:
            await self.slot.gateway.kill()
            self.slot.gateway = None
            self.done["gateway killed"] += 1
            await asyncio.sleep(self.chance.uniform(0, 2))  # how long the place is empty is drawn
        self.slot.gateway = await self.house.gateway()


@dataclass
class RuntimeHand(Hand):
    """Of any agent's runtime. Nobody here starts them: that is the gateways' promise."""

    state: Path = field(kw_only=True)

    async def strike(self) -> None:
        running = sorted(runtimes(self.state).items())
        if not running:
            return
        _, pid = self.chance.choice(running)
        if self.chance.random() < 0.6:
            self.done["runtime killed"] += 1
            _send(pid, signal.SIGKILL)
        else:
            stop_s = self.chance.uniform(0.5, 3)
            await self.stop_for("runtime", lambda number: _send(pid, number), stop_s)


@dataclass
class ReceiverHand(Hand):
    """Of the receiver."""

    sink: SinkProcess = field(kw_only=True)

    async def strike(self) -> None:
        if self.chance.random() < 0.5:
            self.done["receiver killed"] += 1
            await self.sink.kill()
            await asyncio.sleep(self.chance.uniform(0.2, 2))  # how long it is away is drawn
            await self.sink.start()
        else:
            await self.stop_for("receiver", self.sink.send, self.chance.uniform(0.5, 3))


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


async def let_loose(hands: list[Hand], until: Awaitable[None]) -> Counter[str]:
    """All at once, until what is waited for is over; what was done, counted."""
    tasks = [asyncio.create_task(hand.run(), name=type(hand).__name__) for hand in hands]
    try:
        await _first_of(until, tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return sum((hand.done for hand in hands), Counter())


async def _first_of(until: Awaitable[None], tasks: "list[asyncio.Task[None]]") -> None:
    """A hand that dies ends it too: chaos without a hand proves nothing."""
    waiting = asyncio.ensure_future(until)
    try:
        done, _ = await asyncio.wait({waiting, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})
