"""What is measured, case by case, each one row or a few of the table."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx

from tests.bench.bare import AT_ONCE, Floors
from tests.bench.driver import SECRET
from tests.bench.scale import Scale
from tests.bench.stage import Run, Stage, broken, crowd
from tests.bench.table import Row
from tests.peers.gateway import Client
from tests.peers.processes import Usage
from tests.peers.sink_process import reset

_SIZE = 300
_START_S = 60.0
_ATTACH_S = 120.0


async def streams(stage: Stage, scale: Scale, bare: Floors) -> AsyncIterator[Row]:
    """Events from agents that have many at once, and from agents that pace them."""
    run = await stage.run(_content(scale.eight), messages=8, at_once=8, agents=8)
    goal = "7,000/s, 130 us"
    yield _row(f"8 turns x {scale.eight:,}", run, floor=bare.posts[8], goal=goal)
    async with crowd(stage, agents=scale.agents) as many:  # an agent runs one turn at a time
        run = await many.run(
            _content(scale.many),
            messages=scale.agents,
            at_once=scale.agents,
            agents=scale.agents,
        )
    case = f"{scale.agents} turns x {scale.many:,}"
    yield _row(case, run, floor=bare.posts[64], goal="10,000/s")
    run = await stage.run(_content(scale.one), messages=1, at_once=1, agents=1)
    yield _row(f"1 turn x {scale.one:,}", run, floor=bare.posts[1], goal="3,500/s")
    run = await stage.run(_content(scale.paced, gap_us=20_000), messages=8, at_once=8, agents=8)
    yield _row(
        "paced: 8 turns, 50/s each",
        run,
        p50_ms=run.received["p50_ms"],
        p99_ms=run.received["p99_ms"],
        goal="p50 1.5, p99 4.5 ms",
    )


async def batched(stage: Stage, scale: Scale, bare: Floors) -> Row:
    """8 turns again, up to 64 events a POST."""
    content, options = _content(scale.eight), {"batch": {"max_events": 64, "max_wait_ms": 20}}
    await reset(stage.outside.sink)
    before = stage.cpu_s()
    async with _client(stage) as client:
        answers = [
            await client.send(
                agent,
                content,
                f"{stage.outside.sink}/hook",
                webhook_secret=SECRET,
                delivery=options,
            )
            for agent in stage.agents
        ]
    received = await stage.settled(len(answers))
    gateway_us, runtime_us = (
        (after_s - before_s) / max(1, received["total"]) * 1e6
        for before_s, after_s in zip(before, stage.cpu_s(), strict=True)
    )
    return Row(
        case=f"8 turns x {scale.eight:,}, batched by 64",
        per_s=received["per_s"],
        floor=received["per_s"] / bare.stream,
        gateway_us=gateway_us,
        runtime_us=runtime_us,
        goal="20,000/s",
        broken=broken(received, content, len(answers), *_taken(answers)),
    )


async def messages(stage: Stage, scale: Scale, bare: Floors) -> AsyncIterator[Row]:
    """202s, and turns that are nothing but their final."""
    for at_once in AT_ONCE:
        run = await stage.run("events=0", messages=scale.accepted, at_once=at_once, agents=8)
        yield Row(
            case=f"202s, {at_once} at once",
            unit="messages",
            per_s=run.accepted.per_s,
            floor=run.accepted.per_s / bare.answers[at_once],
            p50_ms=run.accepted.p50_ms,
            p99_ms=run.accepted.p99_ms,
            gateway_us=run.gateway_us,
            runtime_us=run.runtime_us,
            goal="500/s, p99 15 ms" if at_once == 8 else "",
            remark="CPU a message with its turn and its delivery",
            broken=run.broken,
        )
    run = await stage.run("events=1 size=300", messages=scale.short, at_once=8, agents=8)
    yield Row(
        case=f"{scale.short:,} short turns, sent to delivered",
        unit="turns",
        per_s=scale.short / run.seconds,
        floor=run.received["total"] / run.seconds / bare.posts[8],
        gateway_us=run.gateway_us,
        runtime_us=run.runtime_us,
        goal="200/s (1,000 in 5 s)",
        remark=f"{run.seconds:.1f} s; CPU for each of its two events",
        broken=run.broken,
    )


async def one_dead(stage: Stage, scale: Scale) -> Row:
    """The others' time beside one receiver that takes connections and never answers."""
    alone_s, broken_alone = await _others(stage, scale, dead_url="")
    silent = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    try:
        port = silent.sockets[0].getsockname()[1]
        dead_url = f"http://127.0.0.1:{port}/hook"
        beside_s, broken_beside = await _others(stage, scale, dead_url=dead_url)
    finally:
        silent.close()
    return Row(
        case=f"one dead receiver among {scale.dead}",
        unit="turns",
        per_s=(scale.dead - 1) / beside_s,
        floor=alone_s / beside_s,
        goal="1.0 of without it",
        remark=f"the others took {beside_s:.2f} s, without it {alone_s:.2f} s",
        broken=[*broken_alone, *broken_beside],
    )


async def _others(stage: Stage, scale: Scale, *, dead_url: str) -> tuple[float, list[str]]:
    """Seconds until all turns but one have arrived, and what was wrong with them; that one goes
    to `dead_url`, if given."""
    content, alive_url = _content(20), f"{stage.outside.sink}/hook"
    agents = list(stage.agents)
    await reset(stage.outside.sink)
    began_s = time.monotonic()
    async with _client(stage) as client, asyncio.TaskGroup() as group:
        if dead_url:
            group.create_task(client.send(agents[0], content, dead_url))
        sending = [
            group.create_task(client.send(agents[number % len(agents)], content, alive_url))
            for number in range(1, scale.dead)
        ]
    received = await stage.settled(len(sending))
    seconds = time.monotonic() - began_s
    taken = _taken([sent.result() for sent in sending])
    return seconds, broken(received, content, len(sending), *taken)


def _taken(answers: Sequence[httpx.Response]) -> tuple[int, str]:
    """How many were 202, and what else came, in words."""
    others = [answer for answer in answers if answer.status_code != 202]
    refused = {f"{answer.status_code} {answer.text}" for answer in others}
    return len(answers) - len(others), " ".join(sorted(refused))


async def memory(stage: Stage) -> Row:
    """Of the agents that have done all this, and what a thousand of them would take."""
    own = [Usage.of(pid).own_bytes for pid in stage.agents.values()]
    average = sum(own) / len(own) / 1e6
    gateway = Usage.of(stage.pid).rss_bytes / 1e6
    return Row(
        case=f"memory with {len(own)} agents, after all of it",
        remark=f"gateway {gateway:.0f} MB; a runtime {average:.0f} MB of its own "
        f"(1,000 of them: {average:.0f} GB)",
    )


async def idle(stage: Stage, scale: Scale) -> Row:
    """A gateway of its own beside agents that all hold a relay and say nothing."""
    gateway = await stage.house.gateway()
    assert gateway.process is not None
    pid = gateway.process.pid
    (sockets,) = {path.parent for path in stage.house.sockets.glob("*/gateway-*.sock")}
    playing = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.idle"),
        *(stage.house.state, sockets, str(scale.idle)),
        stdout=PIPE,
    )
    assert playing.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            assert await playing.stdout.readline() == b"ready\n"
        before = Usage.of(pid)
        async with gateway.client() as client:
            await _greet_all(client, scale.idle, f"{stage.outside.sink}/hook")
        async with asyncio.timeout(_ATTACH_S):
            assert await playing.stdout.readline() == b"attached\n"
        attached = Usage.of(pid)
        await asyncio.sleep(scale.idle_s)  # the time over which its CPU is taken
        after = Usage.of(pid)
    finally:
        playing.kill()
        await playing.wait()
        await gateway.kill()
    share = (after.cpu_s - attached.cpu_s) / scale.idle_s * 100
    return Row(
        case=f"{scale.idle:,} idle agents attached",
        goal="under 120 MB with 1,000",
        remark=f"gateway {after.rss_bytes / 1e6:.0f} MB (before {before.rss_bytes / 1e6:.0f}), "
        f"{after.fds} files, {share:.0f} % of a core; agents played by one process",
    )


async def _greet_all(client: Client, count: int, url: str) -> None:
    """A message to each, a few at once."""
    numbers = iter(range(count))

    async def one_after_the_other() -> None:
        for number in numbers:
            answer = await client.send(f"idle-{number}", "hello", url, webhook_secret=SECRET)
            assert answer.status_code == 202, answer.text

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(one_after_the_other())


@asynccontextmanager
async def _client(stage: Stage) -> AsyncIterator[Client]:
    gateway = stage.house.gateways[0]
    async with gateway.client() as client:
        yield client


def _content(events: int, *, gap_us: int = 0) -> str:
    return f"events={events} size={_SIZE} gap={gap_us}"


def _row(
    case: str,
    run: Run,
    *,
    floor: float | None = None,
    goal: str,
    p50_ms: float | None = None,
    p99_ms: float | None = None,
) -> Row:
    return Row(
        case=case,
        per_s=run.per_s,
        floor=run.per_s / floor if floor else None,
        p50_ms=p50_ms,
        p99_ms=p99_ms,
        gateway_us=run.gateway_us,
        runtime_us=run.runtime_us,
        goal=goal,
        broken=run.broken,
    )
