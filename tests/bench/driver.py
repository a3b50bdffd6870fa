"""Drivers send messages and time the 202s; sinks count what arrives.

Where the Go programs lie beside the repository and Go is installed, they are
built and used: neither then competes with the gateway for an interpreter's
speed. Otherwise both are ours.
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp

from tests.peers.sink_process import reset, sink

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BESIDE = Path(__file__).parents[2].parent / "shared" / "bench"
_BUILD_S = 300.0
_ACCEPTED = re.compile(
    r"accept: (\d+) in [\d.]+s = (\d+)/s, p50 ([\d.]+) ms, p99 ([\d.]+) ms, refused map\[(.*)\]"
)
_UP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Messages over HTTP. `sink`: base of the receiver; `key`: an API key, for our own driver."""

    base: str
    agents: Sequence[str]
    sink: str
    content: str
    messages: int
    at_once: int
    user: str = "ada"
    key: str = ""


@dataclass(frozen=True, slots=True)
class Acceptances:
    """`refused`: what else than 202 came, in words; "" for nothing."""

    count: int
    per_s: float
    p50_ms: float
    p99_ms: float
    refused: str


class Driver(Protocol):
    """Forgets what the receiver has counted, then sends everything."""

    async def send(self, load: Load) -> Acceptances: ...


@dataclass(frozen=True, slots=True)
class GoDriver:
    """The program `drive`, told to wait for no final."""

    program: Path

    async def send(self, load: Load) -> Acceptances:
        given = {
            "base": load.base,
            "user": load.user,
            "agents": ",".join(load.agents),
            "sink": load.sink,
            "n": str(load.messages),
            "c": str(load.at_once),
            "content": load.content,
            "wait": "0s",
        }
        process = await asyncio.create_subprocess_exec(
            self.program,
            *(part for name, value in given.items() for part in (f"-{name}", value)),
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()
        found = _ACCEPTED.search(said.decode())
        assert found, said
        count, per_s, p50, p99, refused = found.groups()
        return Acceptances(int(count), float(per_s), float(p50), float(p99), refused)


class OwnDriver:
    """aiohttp, in this process."""

    async def send(self, load: Load) -> Acceptances:
        await reset(load.sink)
        numbers = iter(range(load.messages))
        taken_ms: list[float] = []
        refused: list[str] = []
        began_s = time.perf_counter()
        headers = {"authorization": f"Bearer {load.key}"} if load.key else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(load.at_once):
                group.create_task(_caller(session, load, numbers, taken_ms, refused))
        seconds = time.perf_counter() - began_s
        ordered = sorted(taken_ms) or [0.0]
        return Acceptances(
            len(taken_ms),
            len(taken_ms) / seconds,
            ordered[int(0.5 * (len(ordered) - 1))],
            ordered[int(0.99 * (len(ordered) - 1))],
            " ".join(sorted(set(refused))),
        )


async def _caller(
    session: aiohttp.ClientSession,
    load: Load,
    numbers: Iterator[int],
    taken_ms: list[float],
    refused: list[str],
) -> None:
    for number in numbers:
        agent = load.agents[number % len(load.agents)]
        url = f"{load.base}/api/v1/agents/{agent}/messages?user_id={load.user}"
        body = {
            "content": load.content,
            "webhook_url": f"{load.sink}/hook",
            "webhook_secret": SECRET,
        }
        sent_s = time.perf_counter()
        async with session.post(url, json=body) as answer:
            await answer.read()
        if answer.status == 202:
            taken_ms.append((time.perf_counter() - sent_s) * 1e3)
        else:
            refused.append(str(answer.status))


@dataclass(frozen=True, slots=True)
class Outside:
    """What is not measured: who sends, and who receives. `sink`: its base."""

    driver: Driver
    sink: str
    named: str


@asynccontextmanager
async def outside(folder: Path) -> AsyncIterator[Outside]:
    """The faster ones that can be had here."""
    if BESIDE.is_dir() and shutil.which("go"):
        drive, receive = _build(folder, "drive"), _build(folder, "sink")
        async with _go_sink(receive) as base:
            yield Outside(GoDriver(drive), base, "the Go driver and receiver")
        return
    async with sink() as own:
        yield Outside(OwnDriver(), own.base, "the Python driver and receiver")


def _build(folder: Path, name: str) -> Path:
    program = folder / name
    command = ["go", "build", "-o", str(program), f"./{name}"]
    subprocess.run(command, cwd=BESIDE, check=True, timeout=_BUILD_S)
    return program


@asynccontextmanager
async def _go_sink(program: Path) -> AsyncIterator[str]:
    """It cannot say which port it got, so it is told one that was free."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    process = await asyncio.create_subprocess_exec(program, f"127.0.0.1:{port}")
    try:
        base = f"http://127.0.0.1:{port}"
        await _up(base)
        yield base
    finally:
        process.kill()
        await process.wait()


async def _up(base: str) -> None:
    async with asyncio.timeout(_UP_S):
        while True:
            try:
                await reset(base)
            except OSError:
                await asyncio.sleep(0.02)  # nobody tells when it listens
            else:
                return
