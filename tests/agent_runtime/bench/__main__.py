"""Measures, and prints one table."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proto.relay.v1 import relay_pb2
from tests.agent_runtime.bench.emitter import install
from tests.peers.runtime import RELAY, Runtime, message, relay_stub, replay, submit

_GATHER_S = 0.003
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass
class Measure:
    """Time and the runtime's CPU since it was made."""

    pid: int
    began: float
    cpu: float

    @classmethod
    def begin(cls, pid: int) -> "Measure":
        return cls(pid, time.perf_counter(), _cpu_s(pid))

    def tell(self, what: str, count: int) -> None:
        took = time.perf_counter() - self.began
        cpu = _cpu_s(self.pid) - self.cpu
        rate, each = count / took, cpu / count * 1e6
        sys.stdout.write(f"{what:34} {count:7} {rate:9.0f}/s {each:8.0f} us of CPU each\n")
        sys.stdout.flush()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


@asynccontextmanager
async def emitting() -> AsyncIterator[tuple[Runtime, int]]:
    """A runtime with the emitter, and its pid."""
    with tempfile.TemporaryDirectory(prefix="forge-bench-") as name:
        folder = Path(name)
        install(folder / "site")
        path = os.pathsep.join([str(folder / "site"), str(Path.cwd())])
        runtime = Runtime(folder, {"FORGE_BACKEND": "emitter", "PYTHONPATH": path})
        process = await runtime.start()
        try:
            yield runtime, process.pid
        finally:
            await runtime.end()


class Relay:
    """Acknowledges everything, gathered for a few ms, as a gateway does."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._marks: dict[str, int] = {}

    async def run(self, finals: int) -> None:
        """Until so many turns are over."""
        acking = asyncio.create_task(self._ack())
        try:
            while finals:
                down = await self._call.read()
                for event in down.events.events:
                    self._marks[event.request_id] = event.seq
                    finals -= event.is_final
            await asyncio.sleep(_GATHER_S * 2)
        finally:
            acking.cancel()

    async def _ack(self) -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            marks, self._marks = self._marks, {}
            for request_id, seq in marks.items():
                ack = relay_pb2.Ack(request_id=request_id, generation=1, seq=seq)
                await self._call.write(relay_pb2.RelayUp(ack=ack))


async def main(events: int = 20_000, turns: int = 900) -> None:
    async with emitting() as (runtime, pid), relay_stub(runtime) as stub:
        await submit(stub, message("warm", "events=2000"))
        await replay(stub, "warm")
        measure = Measure.begin(pid)
        await submit(stub, message("quiet", f"events={events}"))
        final = relay_pb2.TurnsRequest(request_id="quiet")
        while (await stub.Turns(final, metadata=RELAY)).turns[0].state != 3:
            await asyncio.sleep(0.01)
        measure.tell("events journalled, nobody reads", events)
        call: Any = stub.Relay(metadata=RELAY)
        await call.read()
        measure = Measure.begin(pid)
        await submit(stub, message("one", f"events={events}"), ticket=b"t")
        await Relay(call).run(1)
        measure.tell("events journalled and relayed", events)
        measure = Measure.begin(pid)
        relaying = asyncio.create_task(Relay(call).run(turns))
        for first in range(0, turns, 50):
            names = range(first, first + 50)
            await asyncio.gather(
                *(submit(stub, message(f"s{n}", "events=3"), ticket=b"t") for n in names)
            )
        await relaying
        measure.tell("short turns of 4 events, 50 at once", turns)
        call.cancel()


asyncio.run(main(*map(int, sys.argv[1:])))
