"""The floors, measured: what every case is a share of."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench.driver import Load
from tests.bench.scale import Scale
from tests.bench.stage import Stage
from tests.bench.table import Row
from tests.peers.sink_process import reset

AT_ONCE = (1, 8, 64)
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Floors:
    """Per second: POSTs and 202s by how many at once, events of one stream."""

    posts: dict[int, float]
    stream: float
    answers: dict[int, float]


async def floors(stage: Stage, scale: Scale) -> tuple[Floors, list[Row]]:
    """The same work with nothing of ours around it."""
    rows: list[Row] = []
    posts: dict[int, float] = {}
    for at_once in AT_ONCE:
        url = f"{stage.outside.sink}/hook"
        told = await _floor("posts", url, str(at_once), str(scale.floor_s))
        posts[at_once] = told["per_s"]
        rows.append(_floor_row(f"floor: bare aiohttp POSTs, {at_once} at once", "posts", told))
    await reset(stage.outside.sink)
    stream = await _floor("stream", str(scale.floor_s))
    rows.append(_floor_row("floor: bare grpc.aio stream, lists of 64", "events", stream))
    answers: dict[int, float] = {}
    async with _starlette() as base:
        for at_once in AT_ONCE:
            accepted = await stage.outside.driver.send(
                Load(
                    base=base,
                    agents=["any"],
                    sink=stage.outside.sink,
                    content="events=0",
                    messages=scale.accepted,
                    at_once=at_once,
                )
            )
            answers[at_once] = accepted.per_s
            rows.append(
                Row(
                    case=f"floor: bare Starlette 202, {at_once} at once",
                    unit="answers",
                    per_s=accepted.per_s,
                    p50_ms=accepted.p50_ms,
                    p99_ms=accepted.p99_ms,
                )
            )
    return Floors(posts, stream["per_s"], answers), rows


async def _floor(*arguments: str) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.floors", *arguments),
        stdout=PIPE,
        env={**os.environ, "GRPC_VERBOSITY": "ERROR"},
    )
    said, _ = await process.communicate()
    told: dict[str, float] = json.loads(said)
    return told


def _floor_row(case: str, unit: str, told: dict[str, float]) -> Row:
    return Row(case=case, unit=unit, per_s=told["per_s"], remark=f"{told['cpu_us']:.0f} us of CPU")


@asynccontextmanager
async def _starlette() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.floors", "answers", stdout=PIPE
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_S):
            line = (await process.stdout.readline()).decode()
        yield line.removeprefix("listening on ").strip()
    finally:
        process.kill()
        await process.wait()
