"""The relay of one agent, against a scripted agent and a real receiver."""

import asyncio
import socket
import time
from dataclasses import replace

import grpc
import pytest
from standardwebhooks import Webhook

from gateway.delivery.policy import Policy
from gateway.keyring import GatewayKey, Keyring
from gateway.model import Batch, Target
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, POLICY, attached, house
from tests.peers.receiver import Hook, Receiver, Reply


async def test_events_arrive_in_order_and_are_acknowledged() -> None:
    """Hundreds of events in windows of 64: each posted once, in order, up to the final's ack."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=3)
        count = 640
        for first in range(1, count + 1, 64):
            relay.events(*[event(seq=seq) for seq in range(first, min(first + 64, count + 1))])
            await relay.acked("r1", first + 63)
        relay.events(final(seq=count + 1))
        await relay.acked("r1", count + 1)
    assert home.receiver.ids == [f"{AGENT}_{seq}" for seq in range(1, count + 1)] + [
        f"{AGENT}_r1_final"
    ]
    seqs = [seq for _, _, seq in relay.acks]
    assert seqs == sorted(set(seqs))
    assert {generation for _, generation, _ in relay.acks} == {3}


async def test_acknowledgements_are_gathered() -> None:
    """A list of events costs a few marks, not one each."""
    async with house(gather_s=0.2) as home:
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(*[event(seq=seq) for seq in range(1, 65)])
        await relay.acked("r1", 64)
    assert len(relay.acks) <= 16


async def test_nothing_is_acknowledged_before_its_2xx() -> None:
    """A gateway that dies before the answer has told nobody that the event arrived."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.extend([Reply(), Reply(gate=gate)])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2), event(seq=3))
        await home.receiver.wait(2)
        await relay.acked("r1", 1)
        assert home.receiver.ids == [f"{AGENT}_1", f"{AGENT}_2"]
        assert relay.acks[-1] == ("r1", 1, 1)
        gate.set()
        await relay.acked("r1", 3)


async def test_fault_35_one_dead_host_among_a_hundred_turns() -> None:
    """Twenty turns to a host that hangs, eighty that are delivered meanwhile: a dead turn has
    one task, one connection and its own window, and shares none of them."""
    patient = replace(POLICY, timeout_s=40.0)  # what hangs has to hang until the others are done
    async with house(policy=patient) as home, Receiver() as dead:
        dead.default = lambda _: Reply(hang=True)
        relay = await attached(home)
        lost = [f"d{number}" for number in range(20)]
        for number, turn in enumerate(lost):
            relay.open_turn(turn, home.ticket(turn, Target(webhook_url=dead.url)))
            relay.events(*[event(turn, 1000 * number + seq) for seq in range(1, 65)])
        await dead.wait(20)
        for number in range(80):
            turn, seq = f"t{number}", 50_000 + number * 100
            relay.open_turn(turn, home.ticket(turn))
            relay.events(*[event(turn, seq + at) for at in range(1, 50)], final(turn, seq + 50))
        for number in range(80):
            await relay.acked(f"t{number}", 50_000 + number * 100 + 50)
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        assert {name for name in tasks if name.startswith("deliver-")} == {
            f"deliver-{AGENT}-{turn}" for turn in lost
        }
        assert dead.connections == len(dead.hooks) == 20
        assert home.receiver.connections <= 80
        assert not {ack for ack in relay.acks if ack[0] in lost}
        assert len(home.receiver.hooks) == 80 * 50


async def test_turns_go_side_by_side_each_in_its_own_order() -> None:
    """One event of a turn at a time; two turns at the same time."""
    async with house() as home:
        gates = {"/a": asyncio.Event(), "/b": asyncio.Event()}
        home.receiver.default = lambda hook: Reply(gate=gates[hook.path])
        relay = await attached(home)
        for turn in ("a", "b"):
            relay.open_turn(turn, home.ticket(turn, home.target(f"/{turn}")))
        relay.events(event("a", 1), event("b", 2), event("a", 3), event("b", 4))
        await home.receiver.wait(2)
        assert sorted(home.receiver.ids) == [f"{AGENT}_1", f"{AGENT}_2"]
        gates["/b"].set()
        await relay.acked("b", 4)
        gates["/a"].set()
        await relay.acked("a", 3)


async def test_fault_01_a_failure_is_repeated_under_the_same_id() -> None:
    """Same id, same body; time and signature anew; the events after it wait."""
    async with house() as home:
        home.receiver.script.extend([Reply(status=500), Reply(status=503)])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2))
        await relay.acked("r1", 2)
    first, second, third, next_one = home.receiver.hooks
    assert first.id == second.id == third.id == f"{AGENT}_1"
    assert first.body == second.body == third.body
    assert next_one.id == f"{AGENT}_2"


async def test_fault_01_a_repeat_is_signed_for_its_own_time() -> None:
    """A repeat after minutes must not look like a replay."""
    async with house() as home:
        slow = asyncio.Event()
        home.receiver.script.append(Reply(status=500, gate=slow))
        asyncio.get_running_loop().call_later(1.1, slow.set)
        relay = await attached(home)
        secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0"
        signed = replace(home.target(), webhook_secret=secret)
        relay.open_turn("r1", home.ticket("r1", signed))
        relay.events(event(seq=1))
        await relay.acked("r1", 1)
    first, second = home.receiver.hooks
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    for hook in (first, second):
        Webhook(secret).verify(hook.body, dict(hook.headers))


async def test_fault_07_what_may_pass_is_repeated() -> None:
    """404, 408 and 409 are failures like others: the same event comes again until it is taken."""
    statuses = (404, 408, 409)
    async with house() as home:
        home.receiver.script.extend(Reply(status=status) for status in statuses)
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2))
        await relay.acked("r1", 2)
    assert home.receiver.ids == [f"{AGENT}_1"] * 4 + [f"{AGENT}_2"]
    assert [failed.last_status for failed in relay.marks("failed")] == list(statuses)
    assert not relay.marks("reject")


async def test_fault_10_what_was_not_there_gets_its_event_once_it_is() -> None:
    """Refused connections are failures like others: once somebody listens the event comes."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with house(policy=replace(POLICY, circuit_failures=1000)) as home:
            relay = await attached(home)
            target = Target(webhook_url=f"http://127.0.0.1:{bound.getsockname()[1]}/")
            relay.open_turn("r1", home.ticket("r1", target))
            relay.events(event(seq=1))
            for failed in await relay.marked("failed", 2):
                assert (failed.last_status, "connect" in failed.last_error) == (0, True)
            async with Receiver(bound) as late:
                await relay.acked("r1", 1)
                assert late.ids == [f"{AGENT}_1"]


async def test_fault_03_gone_abandons_the_turns_deliveries() -> None:
    """410: nothing more of this turn is posted, and other turns go on."""
    async with house() as home:
        home.receiver.script.append(Reply(status=410))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"), generation=2)
        relay.events(event(seq=1), event(seq=2))
        await relay.until(lambda: bool(relay.marks("abandon")))
        relay.events(event(seq=3), final(seq=4))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 5))
        await relay.acked("r2", 5)
    [abandon] = relay.marks("abandon")
    assert (abandon.request_id, abandon.generation) == ("r1", 2)
    assert home.receiver.ids == [f"{AGENT}_1", f"{AGENT}_r2_final"]


@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_fault_08_a_rejected_event_is_recorded_and_skipped(status: int) -> None:
    """It is told with its seq and status, never overtaken by an acknowledgement, and the
    next event goes."""
    async with house() as home:
        home.receiver.script.extend([Reply(), Reply(status=status)])
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2), event(seq=3))
        await relay.acked("r1", 3)
    [reject] = relay.marks("reject")
    assert (reject.request_id, reject.generation, reject.seq, reject.status) == ("r1", 1, 2, status)
    kinds = [up.WhichOneof("message") for up in relay.ups]
    assert [kind for kind in kinds if kind != "alive"] == ["ack", "reject", "ack"]
    assert len(home.receiver.hooks) == 3


async def test_spent_retries_abandon_the_turn() -> None:
    """WEBHOOK_MAX_RETRIES attempts and no more; the reason is told."""
    policy = Policy(first_wait_s=0.001, longest_wait_s=0.002, max_attempts=3)
    async with house(policy=policy) as home:
        home.receiver.default = lambda _: Reply(status=500)
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), final(seq=2))
        await relay.until(lambda: bool(relay.marks("abandon")))
    assert len(home.receiver.hooks) == 3
    assert "500" in relay.marks("abandon")[0].reason


async def test_fault_17_every_other_call_fails() -> None:
    """Nothing is lost, and the first sight of each id is in order."""
    async with house() as home:
        calls = {"count": 0}

        def every_other(_: Hook) -> Reply:
            calls["count"] += 1
            return Reply(status=500 if calls["count"] % 2 else 200)

        home.receiver.default = every_other
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(*[event(seq=seq) for seq in range(1, 31)], final(seq=31))
        await relay.acked("r1", 31)
    assert list(dict.fromkeys(home.receiver.ids)) == [
        *[f"{AGENT}_{seq}" for seq in range(1, 31)],
        f"{AGENT}_r1_final",
    ]
    assert len(home.receiver.hooks) == 62


async def test_fault_22_a_ticket_that_does_not_open_parks_its_turn() -> None:
    """Moved to another turn, or of a key that is gone: nothing is posted anywhere, the agent
    is told why and keeps the turn, and the other turns are delivered."""
    async with house() as home:
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("other"))
        relay.open_turn("r2", b"no ticket at all")
        relay.open_turn("r3", home.ticket("r3"))
        relay.events(event("r1", 1), event("r2", 2), event("r2", 3), final("r3", 4))
        await relay.acked("r3", 4)
        parks = await relay.marked("park", 2)
        assert home.receiver.ids == [f"{AGENT}_r3_final"]
        assert {request_id for request_id, _, _ in relay.acks} == {"r3"}
    assert [(park.request_id, park.seq) for park in parks] == [("r1", 1), ("r2", 2)]
    for park in parks:
        assert not park.failure
        assert park.delay_ms == 600_000
        assert "key" in park.last_error


async def test_fault_31_what_was_not_acknowledged_comes_again_under_its_id() -> None:
    """The stream breaks after the 2xx and before the ack: duplicate with the same id, no gap."""
    async with house(gather_s=0.5) as home:
        first = await attached(home)
        first.open_turn("r1", home.ticket("r1"))
        first.events(event(seq=1), event(seq=2))
        await home.receiver.wait(2)
        first.end(grpc.StatusCode.UNAVAILABLE)
        second = await home.agent.relay(2)
        assert not first.acks
        second.open_turn("r1", home.ticket("r1"))
        second.events(event(seq=1), event(seq=2), final(seq=3))
        await second.acked("r1", 3)
    assert home.receiver.ids[-3:] == [f"{AGENT}_1", f"{AGENT}_2", f"{AGENT}_r1_final"]
    assert home.receiver.hooks[0].body == home.receiver.hooks[-3].body


async def test_no_mark_goes_up_another_stream() -> None:
    """An event whose stream broke in mid-POST is not acknowledged on the next one."""
    async with house() as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        first = await attached(home)
        first.open_turn("r1", home.ticket("r1"))
        first.events(event(seq=1))
        await home.receiver.wait(1)
        first.end(grpc.StatusCode.UNAVAILABLE)
        second = await home.agent.relay(2)
        gate.set()
        second.open_turn("r2", home.ticket("r2"))
        second.events(final("r2", 2))
        await second.acked("r2", 2)
        assert {request_id for request_id, _, _ in second.acks} == {"r2"}


async def test_a_quiet_relay_says_that_it_lives() -> None:
    """While a receiver takes its time the agent hears of its relay."""
    async with house(alive_s=0.02) as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1))
        await relay.until(lambda: len(relay.marks("alive")) >= 5)
        gate.set()
        await relay.acked("r1", 1)


async def test_an_idle_relay_lingers_and_leaves_in_order() -> None:
    """The stream of a conversation stays; that of an idle agent is half-closed, and not
    attached again by itself."""
    async with house(linger_s=0.3) as home:
        relay = await attached(home)
        relay.idle()
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
        assert not relay.ended
        began_s = time.monotonic()
        relay.idle()
        await relay.until(lambda: relay.ended)
        assert time.monotonic() - began_s >= 0.25
        home.attachments.ensure(AGENT)
        await home.agent.relay(2)
    assert home.agent.attempts == 2


async def test_an_agent_that_overruns_its_window_is_dropped() -> None:
    """What an agent sends can never fill the gateway's memory."""
    async with house() as home:
        home.receiver.default = lambda _: Reply(hang=True)
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        for first in range(1, 200, 50):
            relay.events(*[event(seq=seq) for seq in range(first, first + 50)])
        await relay.until(lambda: relay.ended)
    assert home.agent.attempts == 1


async def test_events_of_turns_that_were_never_opened_go_nowhere() -> None:
    """Nothing is posted, nothing is acknowledged, the relay goes on."""
    async with house() as home:
        relay = await attached(home)
        relay.events(event("ghost", 1))
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final("r1", 2))
        await relay.acked("r1", 2)
    assert home.receiver.ids == [f"{AGENT}_r1_final"]


async def test_keys_of_the_ring_are_tried_for_a_deleted_agent() -> None:
    """Its launcher tells no key any more, yet what it has is delivered."""
    old, new = GatewayKey.new(), GatewayKey.new()
    async with house(keyring=Keyring([new, old])) as home:
        home.agent.token = old.token(AGENT, "relay")
        await home.launcher.delete(AGENT)
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
    assert home.agent.attempts == 2


@pytest.mark.parametrize("status", [500, 200])
async def test_fault_36_closing_lets_posts_in_flight_end(status: int) -> None:
    """SIGTERM in mid-POST: a 2xx is acknowledged, a failure is left to the next gateway, and
    no new post begins."""
    async with house(policy=POLICY) as home:
        gate = asyncio.Event()
        home.receiver.script.append(Reply(status=status, gate=gate))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1), event(seq=2))
        await home.receiver.wait(1)
        closing = asyncio.create_task(home.attachments.close(5.0))
        await asyncio.sleep(0)
        home.attachments.ensure("another")
        gate.set()
        await closing
        await relay.until(lambda: relay.ended)
        assert relay.acks == ([("r1", 1, 1)] if status == 200 else [])
        assert len(relay.marks("park")) == (0 if status == 200 else 1)
        assert not relay.marks("abandon")
        assert len(home.receiver.hooks) == 1
        assert "another" not in home.launcher.reached


async def test_fault_36_closing_waits_no_longer_than_told() -> None:
    """A hung receiver does not keep a gateway from going; its event is not acknowledged."""
    async with house() as home:
        home.receiver.script.append(Reply(hang=True))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1))
        await home.receiver.wait(1)
        async with asyncio.timeout(3):
            await home.attachments.close(0.1)
        await relay.until(lambda: relay.ended)
        assert not relay.acks


async def test_closing_waits_for_no_backoff() -> None:
    """A turn that waits to be tried again is left to the next gateway at once."""
    slow = Policy(first_wait_s=600, longest_wait_s=600, longest_sleep_s=600)
    async with house(policy=slow) as home:
        home.receiver.script.append(Reply(status=503))
        relay = await attached(home)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(event(seq=1))
        await relay.marked("failed")
        async with asyncio.timeout(4):
            await home.attachments.close(60.0)
        assert not relay.acks
        assert not relay.marks("abandon")


async def test_closing_waits_for_no_batch() -> None:
    """Events that wait for others to travel with are left to the next gateway at once."""
    async with house() as home:
        relay = await attached(home)
        target = replace(home.target(), batch=Batch(max_events=64, max_wait_ms=60_000))
        relay.open_turn("r1", home.ticket("r1", target))
        relay.events(event(seq=1))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 5))
        await relay.acked("r2", 5)
        async with asyncio.timeout(4):
            await home.attachments.close(60.0)
        assert home.receiver.ids == [f"{AGENT}_r2_final"]
        assert {turn for turn, _, _ in relay.acks} == {"r2"}


@pytest.mark.parametrize("speaks", [True, False])
async def test_closing_waits_for_no_greeting(speaks: bool) -> None:
    """Of an agent that says nothing, or of whatever else listens there."""
    async with house(hello_s=60.0, farewell_s=0.3) as home, Receiver() as mute:
        home.agent.greets = False
        if not speaks:
            home.launcher.targets[AGENT] = f"127.0.0.1:{mute.port}"
        home.attachments.ensure(AGENT)
        if speaks:
            await home.agent.relay()
        else:
            await mute.noticed.until(lambda: mute.connections > 0)
        async with asyncio.timeout(4):
            await home.attachments.close(60.0)
