"""Batches: several events of a turn in one POST."""

import asyncio
import base64
import json
import time
from dataclasses import replace

from standardwebhooks import Webhook

from gateway.delivery.payload import build
from gateway.model import Batch
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, SECRET, House, attached, house
from tests.peers.receiver import Hook, Reply


def batched(home: House, request_id: str, *, max_events: int, max_wait_ms: int = 0) -> bytes:
    batch = Batch(max_events=max_events, max_wait_ms=max_wait_ms)
    return home.ticket(request_id, replace(home.target(), batch=batch))


def seqs(hook: Hook) -> list[int]:
    return [told["seq"] for told in hook.json()["events"]]


async def test_a_batch_is_one_signed_post() -> None:
    """The payloads are those of single posts, the id that of the last, the signature over all,
    and one acknowledgement covers it."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=3, max_wait_ms=60_000))
        events = [*[event(seq=seq) for seq in range(1, 6)], final(seq=6)]
        relay.events(*events)
        await relay.acked("r1", 6)
    first, second = home.receiver.hooks
    assert [seqs(first), seqs(second)] == [[1, 2, 3], [4, 5, 6]]
    assert [first.id, second.id] == [f"{AGENT}_3", f"{AGENT}_r1_final"]
    assert first.json() == {"events": [json.loads(build(AGENT, one).body) for one in events[:3]]}
    for hook in (first, second):
        Webhook(base64.b64encode(SECRET.encode()).decode()).verify(hook.body, dict(hook.headers))


async def test_a_batch_waits_for_more_but_not_longer_than_told() -> None:
    """Two events that come one after the other travel together, after max_wait_ms."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=64, max_wait_ms=400))
        began_s = time.monotonic()
        relay.events(event(seq=1))
        relay.events(event(seq=2))
        await relay.acked("r1", 2)
    [hook] = home.receiver.hooks
    assert seqs(hook) == [1, 2]
    assert hook.at_s - began_s >= 0.3


async def test_a_final_waits_for_nothing() -> None:
    """The end of a turn is told at once, whatever max_wait_ms."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=64, max_wait_ms=60_000))
        relay.events(event(seq=1))
        relay.events(final(seq=2))
        async with asyncio.timeout(5):
            await relay.acked("r1", 2)
    assert seqs(home.receiver.hooks[0]) == [1, 2]


async def test_what_waits_while_a_batch_is_posted_goes_in_the_next() -> None:
    """A slow receiver gets larger batches, not more posts."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=64))
        relay.events(event(seq=1))
        await home.receiver.wait(1)
        relay.events(*[event(seq=seq) for seq in range(2, 40)])
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 90))
        await relay.acked("r2", 90)
        gate.set()
        await relay.acked("r1", 39)
    batches = [hook for hook in home.receiver.hooks if "r2" not in hook.id]
    assert [seqs(hook) for hook in batches] == [[1], list(range(2, 40))]


async def test_a_rejected_batch_is_sent_again_one_by_one() -> None:
    """One bad event costs itself, not those it travelled with; then batches go on."""
    async with house() as home:
        home.receiver.default = lambda hook: Reply(status=422 if 2 in seqs(hook) else 200)
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=3, max_wait_ms=60_000))
        relay.events(*[event(seq=seq) for seq in range(1, 6)], final(seq=6))
        await relay.acked("r1", 6)
    assert [seqs(hook) for hook in home.receiver.hooks] == [[1, 2, 3], [1], [2], [3], [4, 5, 6]]
    [reject] = relay.marks("reject")
    assert (reject.seq, reject.status) == (2, 422)


async def test_a_rejected_batch_is_told() -> None:
    """The agent hears of it before the first single post has ended: gathering, the batch and
    that post together may take longer than a relay may be silent about what it holds."""
    async with house() as home:
        home.receiver.script.extend([Reply(status=422), Reply(hang=True)])
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=2))
        relay.events(event(seq=1), final(seq=2))
        [failed] = await relay.marked("failed")
        assert (failed.seq, failed.last_status, failed.last_error) == (1, 422, "answered 422")


async def test_a_batch_that_fails_is_repeated_as_it_was() -> None:
    """Same id, same bytes, also when more has come meanwhile."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(status=503, gate=gate))
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=64))
        relay.events(event(seq=1), event(seq=2))
        await home.receiver.wait(1)
        relay.events(event(seq=3), final(seq=4))
        gate.set()
        await relay.acked("r1", 4)
    first, again, rest = home.receiver.hooks
    assert (first.id, first.body) == (again.id, again.body)
    assert seqs(rest) == [3, 4]


async def test_batches_are_bounded_in_bytes() -> None:
    """A megabyte ends a batch; an event that is larger goes alone."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", batched(home, "r1", max_events=64, max_wait_ms=60_000))
        sizes = {1: 400, 2: 400, 3: 400, 4: 1500, 5: 1}
        relay.events(*[event(seq=seq, session_id="x" * 1024 * kib) for seq, kib in sizes.items()])
        relay.events(final(seq=6))
        await relay.acked("r1", 6)
    assert [seqs(hook) for hook in home.receiver.hooks] == [[1, 2], [3], [4], [5, 6]]
