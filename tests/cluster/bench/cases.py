"""What is measured on the node, case by case."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

from tests.bench.driver import SECRET, Load, OwnDriver
from tests.bench.table import Row
from tests.cluster.bench.cpu import Cpu
from tests.cluster.deployment import Deployment
from tests.cluster.receiving import receiving
from tests.e2e.story import first_seen, turn
from tests.peers.gateway import Client
from tests.peers.receiver import Hook
from tests.peers.sink_process import stats

AGENTS = 8
_ALONE, _AT_ONCE, _ROUNDS = 20, 20, 2
_EVENTS = 1000
_MESSAGES = 400
_KILLS = 5
_GONE_S = 90.0
_SETTLE_S = 120.0
_LOOK_S = 0.1


async def creates(deployment: Deployment) -> AsyncIterator[Row]:
    """From POST to its 201: the agent is ready."""
    async with deployment.client("starts") as client:
        alone = [await _created_ms(client) for _ in range(_ALONE)]
        started = await Cpu.now(deployment)
        remark = f"{started.agents_s / _ALONE:.2f} s of CPU in each"
        yield _times("create to ready, 1 at once", alone, remark=remark)
        await _delete_all(deployment, client)
        crowd = []
        for _ in range(_ROUNDS):
            crowd += await asyncio.gather(*(_created_ms(client) for _ in range(_AT_ONCE)))
            await _delete_all(deployment, client)
        yield _times(f"create to ready, {_AT_ONCE} at once", crowd)


async def events(deployment: Deployment, agents: Sequence[str], sink: str) -> Row:
    """Turns side by side, as fast as they go."""
    content = f"events={_EVENTS} size=300 gap=0"
    load = _load(deployment, agents, sink, content, messages=AGENTS, at_once=AGENTS)
    before = await Cpu.now(deployment)
    await OwnDriver().send(load)
    received = await _settled(sink, AGENTS)
    used = (await Cpu.now(deployment)).each(before, AGENTS * (_EVENTS + 1))
    return Row(
        case=f"{AGENTS} turns x {_EVENTS:,}",
        per_s=received["per_s"],
        gateway_us=used.gateways_s * 1e6,
        runtime_us=used.agents_s * 1e6,
        broken=_broken(received, AGENTS * (_EVENTS + 1)),
    )


async def messages(deployment: Deployment, agents: Sequence[str], sink: str) -> AsyncIterator[Row]:
    """From POST to its 202, by callers who each send the next one at once."""
    for at_once in (1, 8):
        content = "events=1 size=300 gap=0"
        load = _load(deployment, agents, sink, content, messages=_MESSAGES, at_once=at_once)
        before = await Cpu.now(deployment)
        accepted = await OwnDriver().send(load)
        received = await _settled(sink, _MESSAGES)
        used = (await Cpu.now(deployment)).each(before, _MESSAGES)
        yield Row(
            case=f"202, {at_once} at once",
            unit="messages",
            per_s=accepted.per_s,
            p50_ms=accepted.p50_ms,
            p99_ms=accepted.p99_ms,
            gateway_us=used.gateways_s * 1e6,
            runtime_us=used.agents_s * 1e6,
            broken=[*_broken(received, _MESSAGES * 2), *filter(None, [accepted.refused])],
        )


async def kills(deployment: Deployment) -> Row:
    """kill -9 of the gateway that relays a turn of 200 events/s: until its next webhook."""
    pauses, broken = [], []
    for _ in range(_KILLS):
        pause_ms, missing = await _kill(deployment)
        pauses.append(pause_ms)
        broken += missing
    return _times("replica killed to next webhook", pauses, goal="under 2 s", broken=broken)


async def _kill(deployment: Deployment) -> tuple[float, list[str]]:
    relaying, *_ = await deployment.all_ready()
    async with receiving() as receiver:
        async with deployment.client(url=relaying.url) as client:
            agent = await client.create(backend="emitter")
            content = "events=1000 size=300 gap=5000"
            answer = await client.send(agent, content, receiver.url, webhook_secret=SECRET)
        await receiver.wait(300)
        killed_s = time.monotonic()
        relaying.kill()
        hooks = await turn(receiver, answer.json()["request_id"])
    async with deployment.client() as client:
        await client.delete(agent)
    # another one, for Kubernetes starts the same one again after longer and longer pauses
    await deployment.run("delete", "pod", relaying.name, "--force", "--grace-period=0")
    seqs = [payload["seq"] for payload in first_seen(hooks)]
    broken = [] if seqs == list(range(1, 1002)) else ["events lost or out of order"]
    return _pause_ms(hooks, killed_s), broken


def _pause_ms(hooks: Sequence[Hook], killed_s: float) -> float:
    """The longest time without a webhook from then on; what was under way still arrives."""
    times = [killed_s, *(hook.at_s for hook in hooks if hook.at_s > killed_s)]
    return max(later - earlier for earlier, later in pairwise(times)) * 1e3


async def _created_ms(client: Client) -> float:
    began_s = time.perf_counter()
    await client.create(backend="emitter")
    return (time.perf_counter() - began_s) * 1e3


async def _delete_all(deployment: Deployment, client: Client) -> None:
    """Of that user; returns when their pods are gone."""
    answer = await client.http.get("/api/v1/agents", params={"user_id": client.user})
    await asyncio.gather(*(client.delete(one["agent_id"]) for one in answer.json()["agents"]))
    async with asyncio.timeout(_GONE_S):
        while await deployment.objects("pods", f"user-id={client.user}"):
            await asyncio.sleep(_LOOK_S)


async def _settled(sink: str, finals: int) -> dict[str, float]:
    """What the receiver has counted, once it has so many finals or time is up."""
    ends_s = time.monotonic() + _SETTLE_S
    while True:
        counted = await stats(sink)
        if counted["finals"] >= finals or time.monotonic() > ends_s:
            return counted
        await asyncio.sleep(_LOOK_S)


def _load(
    deployment: Deployment,
    agents: Sequence[str],
    sink: str,
    content: str,
    *,
    messages: int,
    at_once: int,
) -> Load:
    return Load(
        base=deployment.url,
        agents=agents,
        sink=sink,
        content=content,
        messages=messages,
        at_once=at_once,
        key=deployment.key,
    )


def _broken(received: dict[str, float], due: int) -> list[str]:
    found = {
        f"{received['total']} of {due} events": received["total"] != due,
        f"{received['dup']} twice": received["dup"] > 0,
        f"{received['out_of_order']} out of order": received["out_of_order"] > 0,
        f"{received['not_one_final']} turns without one final": received["not_one_final"] > 0,
    }
    return [words for words, is_so in found.items() if is_so]


def _times(
    case: str,
    taken_ms: list[float],
    *,
    goal: str = "",
    remark: str = "",
    broken: Sequence[str] = (),
) -> Row:
    ordered = sorted(taken_ms)
    p50, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99))
    told = f"{len(ordered)} times, at most {ordered[-1]:,.0f} ms"
    told = f"{told}, {remark}" if remark else told
    return Row(case=case, p50_ms=p50, p99_ms=p99, goal=goal, remark=told, broken=broken)
