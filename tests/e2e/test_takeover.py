"""Gateways that die: the next one, or another one, goes on where they were."""

import asyncio
import os
import signal

from tests.e2e.story import SECRET, first_seen, of, signed, text, turn, whole
from tests.peers.gateway import GatewayProcess, House
from tests.peers.receiver import Receiver, Reply

COUNTING = "for i in $(seq 1 40); do echo $i; sleep 0.05; done"
COUNTED = "".join(f"{number}\n" for number in range(1, 41))


async def test_a_killed_gateway_is_followed_by_the_next(place: House, receiver: Receiver) -> None:
    """kill -9 in mid-turn, started again: the turn goes on to its one final, nothing missing."""
    first = await place.gateway()
    async with first.client() as client:
        agent = await client.create()
        answer = await client.send(agent, COUNTING, receiver.url, webhook_secret=SECRET)
    request_id = answer.json()["request_id"]
    await receiver.wait(10)
    await first.kill()
    await place.gateway()
    hooks = await turn(receiver, request_id)
    for hook in hooks:
        signed(hook)
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == COUNTED


async def test_fault_33_another_gateway_takes_over(place: House, receiver: Receiver) -> None:
    """Of two gateways on one state, either relays; when it is killed the other does."""
    gateways = [await place.gateway(), await place.gateway()]
    async with gateways[0].client() as client:
        agent = await client.create()
        answer = await client.send(agent, COUNTING, receiver.url)
    await receiver.wait(5)
    await gateways[0].kill()
    async with gateways[1].client() as client:
        assert (await client.get(agent)).status_code == 200
    payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
    whole(payloads)
    assert text(payloads) == COUNTED


async def test_fault_33_a_gateway_that_wakes_up_harms_nobody(
    place: House, receiver: Receiver
) -> None:
    """Stopped in mid-POST; after its silence the other gateway relays. When it goes on, what it
    held loses nothing, doubles no id with other content, and ends nothing twice."""
    hung, other = await place.gateway(), await place.gateway()
    gate = asyncio.Event()
    receiver.default = lambda hook: Reply(gate=gate if hook.json()["seq"] == 5 else None)
    async with hung.client() as client:
        agent = await client.create()
        answer = await client.send(agent, COUNTING, receiver.url)
        request_id = answer.json()["request_id"]
        await receiver.wait(5)
        hung.suspend()
        gate.set()
        hooks = await turn(receiver, request_id)
        assert [hook.json()["seq"] for hook in hooks].count(5) == 2
        hung.resume()
        assert (await client.get(agent)).status_code == 200
        again = await client.send(agent, "echo back", receiver.url)
        assert text(first_seen(await turn(receiver, again.json()["request_id"]))) == "back\n"
    assert await other.stop() == await hung.stop() == 0
    hooks = of(receiver, request_id)
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == COUNTED
    assert len({(hook.id, hook.body) for hook in hooks}) == len(payloads)


async def test_a_turn_that_ends_without_a_gateway_is_delivered_by_the_next(
    place: House, receiver: Receiver
) -> None:
    """The agent works on alone; what nobody relayed waits in its journal."""
    first = await place.gateway()
    async with first.client() as client:
        agent = await client.create()
        answer = await client.send(agent, "sleep 0.5; seq 1 200", receiver.url)
    await first.kill()
    await asyncio.sleep(1)  # the turn ends while there is no gateway at all
    assert receiver.hooks == []
    await place.gateway()
    payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
    whole(payloads)
    assert len(payloads) == 201


async def test_fault_36_sigterm_lets_posts_end_and_loses_nothing(
    place: House, receiver: Receiver
) -> None:
    """A gateway that is asked to stop finishes its posts; the next one repeats none of them."""
    first = await place.gateway()
    async with first.client() as client:
        agent = await client.create()
        answer = await client.send(agent, COUNTING, receiver.url)
    await receiver.wait(10)
    assert await first.stop() == 0
    await place.gateway()
    hooks = await turn(receiver, answer.json()["request_id"])
    whole(first_seen(hooks))
    assert len(hooks) == len(first_seen(hooks))


async def test_fault_36_a_second_sigterm_exits_at_once(place: House, receiver: Receiver) -> None:
    """It waits for no post; the next gateway repeats the event that was under way."""
    receiver.script.append(Reply(hang=True))
    first = await place.gateway(SHUTDOWN_TIMEOUT="1h", WEBHOOK_TIMEOUT="40s")
    async with first.client() as client:
        answer = await client.send(await client.create(), COUNTING, receiver.url)
    await receiver.wait(1)
    stopping = asyncio.create_task(first.stop())
    await first.said("stopping")
    assert not stopping.done()
    async with asyncio.timeout(5):
        assert await first.stop() == await stopping == -signal.SIGTERM
    await place.gateway()
    hooks = await turn(receiver, answer.json()["request_id"])
    whole(first_seen(hooks))
    assert text(first_seen(hooks)) == COUNTED
    assert [hook.json()["seq"] for hook in hooks].count(1) == 2


async def test_a_killed_runtime_gives_its_final_by_itself(place: House, receiver: Receiver) -> None:
    """Nobody asks: the gateway finds it dead, starts it, and the receiver gets the final."""
    gateway: GatewayProcess = await place.gateway()
    async with gateway.client() as client:
        agent = await client.create()
        answer = await client.send(agent, "echo $PPID; sleep 60", receiver.url)
        request_id = answer.json()["request_id"]
        (hook, *_) = await receiver.wait(1)
        end_runtime(int(hook.json()["data"]["text"]))
        final = first_seen(await turn(receiver, request_id))[-1]
        assert final["error"]["code"] == "AGENT_RESTARTED"
        whole(first_seen(of(receiver, request_id)))
        again = await client.send(agent, "echo back", receiver.url)
        assert "back" in text(first_seen(await turn(receiver, again.json()["request_id"])))


def end_runtime(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
