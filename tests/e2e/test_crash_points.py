"""kill -9 at the boundaries where something could be lost, doubled or run twice.

A passage between the gateway and the agent holds the one message that would
cross the boundary, so that the process dies exactly there.
"""

import asyncio
import contextlib
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import httpx
import pytest

from gateway.launchers.local.sockets import agent_socket_name, sockets_folder
from tests.e2e.story import first_seen, of, text, turn, whole
from tests.peers.gateway import Client, GatewayProcess, House
from tests.peers.passage import Passage, Step
from tests.peers.processes import runtimes
from tests.peers.receiver import Hook, Receiver, Reply

Victim = Literal["gateway", "runtime"]

REQUEST = "the-turn"
CONTENT = "echo ran >> runs; seq 1 5"
SAID = "1\n2\n3\n4\n5\n"


@asynccontextmanager
async def held_at(
    place: House, holds: Callable[[Step], bool]
) -> AsyncIterator[tuple[str, GatewayProcess, Passage]]:
    """An agent, and the only gateway, which reaches it through a passage that holds there."""
    first = await place.gateway()
    async with first.client() as client:
        agent = await client.create()
    await first.kill()
    own = place.sockets / "p"
    door = sockets_folder(own, place.state) / agent_socket_name(agent)
    door.parent.mkdir(mode=0o700, parents=True)
    own.chmod(0o700)
    real = sockets_folder(place.sockets, place.state) / agent_socket_name(agent)
    async with Passage(door, real, holds=holds) as passage:
        yield agent, await place.gateway(FORGE_RUNTIME_DIR=str(own)), passage


async def kill(victim: Victim, place: House, gateway: GatewayProcess, passage: Passage) -> None:
    """kill -9 where it is held. Of the gateway: the next one comes."""
    if victim == "runtime":
        await passage.close()
        (pid,) = runtimes(place.state).values()
        os.kill(pid, signal.SIGKILL)
        return
    await gateway.kill()
    await passage.close()
    await place.gateway()


def is_journalled(place: House) -> bool:
    return journalled(place, "1 = 1")


def journalled(place: House, condition: str) -> bool:
    """Whether the turn is on disk, and that holds of it."""
    (journal,) = place.journals()
    query = f"SELECT 1 FROM turns WHERE request_id = ? AND {condition}"
    with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as reader:
        return reader.execute(query, (REQUEST,)).fetchone() is not None


def runs(place: House) -> int:
    ran = place.state.glob("agents/*/workspace/runs")
    return sum(len(path.read_text().split()) for path in ran)


def one_content_an_id(hooks: list[Hook]) -> None:
    for hook in hooks:
        assert {other.body for other in hooks if other.id == hook.id} == {hook.body}


async def send(client: Client, agent: str, receiver: Receiver) -> httpx.Response:
    return await client.send(agent, CONTENT, receiver.url, request_id=REQUEST)


def is_answer_to_submit(step: Step) -> bool:
    return (step.method, step.way) == ("Submit", "down")


async def test_gateway_killed_after_the_journal_and_before_202(
    place: House, receiver: Receiver
) -> None:
    """The caller has no answer and repeats: told that it is a repeat, and it ran once."""
    async with held_at(place, is_answer_to_submit) as (agent, gateway, passage):
        async with gateway.client() as client:
            asking = asyncio.create_task(send(client, agent, receiver))
            await passage.reached()
            assert is_journalled(place)
            await gateway.kill()
            with pytest.raises(httpx.TransportError):
                await asking
        await passage.close()
        following = await place.gateway()
        async with following.client() as client:
            answer = await send(client, agent, receiver)
        assert (answer.status_code, answer.headers["idempotent-replayed"]) == (202, "true")
        hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    assert (text(first_seen(hooks)), runs(place)) == (SAID, 1)


async def test_runtime_killed_after_the_journal_and_before_202(
    place: House, receiver: Receiver
) -> None:
    """The gateway asks the next runtime, which knows the command; one run, one final."""
    async with (
        held_at(place, is_answer_to_submit) as (agent, gateway, passage),
        gateway.client() as client,
    ):
        asking = asyncio.create_task(send(client, agent, receiver))
        await passage.reached()
        assert is_journalled(place)
        await kill("runtime", place, gateway, passage)
        answer = await asking
        if answer.status_code == 503:  # the next one was not up in time: repeating is safe
            answer = await send(client, agent, receiver)
        assert answer.status_code == 202, answer.text
        hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    assert runs(place) <= 1


async def test_gateway_killed_after_202_and_before_it_attaches(
    place: House, receiver: Receiver
) -> None:
    """Accepted and relayed by nobody: the agent's nudge brings the next gateway."""

    def attaches(step: Step) -> bool:
        return (step.method, step.way) == ("Relay", "call")

    async with held_at(place, attaches) as (agent, gateway, passage):
        async with gateway.client() as client:
            assert (await send(client, agent, receiver)).status_code == 202
        await passage.reached()
        assert receiver.hooks == []
        await kill("gateway", place, gateway, passage)
        hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    assert (text(first_seen(hooks)), runs(place)) == (SAID, 1)


@pytest.mark.parametrize("victim", ["gateway", "runtime"])
async def test_fault_31_killed_after_the_2xx_and_before_the_ack(
    place: House, receiver: Receiver, victim: Victim
) -> None:
    """The event comes again under the same id with the same bytes; nothing is left out."""
    gate = asyncio.Event()
    receiver.default = lambda hook: Reply(gate=None if hook.json()["seq"] == 1 else gate)

    def acks_an_event(step: Step) -> bool:
        return step.acks() is not None

    async with held_at(place, acks_an_event) as (agent, gateway, passage):
        async with gateway.client() as client:
            assert (await send(client, agent, receiver)).status_code == 202
        ack = (await passage.reached()).acks()
        assert ack is not None
        assert ack.seq == 1
        await kill(victim, place, gateway, passage)
        gate.set()
        hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    one_content_an_id(hooks)
    assert [hook.json()["seq"] for hook in hooks].count(1) == 2


@pytest.mark.parametrize("victim", ["gateway", "runtime"])
async def test_killed_between_the_final_and_its_ack(
    place: House, receiver: Receiver, victim: Victim
) -> None:
    """The final comes again, and is the same one: a receiver that knows its id sees one."""

    def acks_the_final(step: Step) -> bool:
        ack = step.acks()
        return ack is not None and ack.seq == 6

    async with held_at(place, acks_the_final) as (agent, gateway, passage):
        async with gateway.client() as client:
            assert (await send(client, agent, receiver)).status_code == 202
        await passage.reached()
        assert [hook.json().get("is_final") for hook in receiver.hooks][-1] is True
        await kill(victim, place, gateway, passage)
        await receiver.noticed.until(lambda: len(finals(receiver)) == 2, within_s=30)
    one_content_an_id(receiver.hooks)
    assert {hook.id for hook in finals(receiver)} == {f"{agent}_{REQUEST}_final"}
    whole(first_seen(receiver.hooks))
    assert (text(first_seen(receiver.hooks)), runs(place)) == (SAID, 1)


def finals(receiver: Receiver) -> list[Hook]:
    return [hook for hook in of(receiver, REQUEST) if hook.json().get("is_final")]


@pytest.mark.parametrize("victim", ["gateway", "runtime"])
async def test_killed_before_the_park_is_in_the_journal(
    place: House, receiver: Receiver, victim: Victim
) -> None:
    """The receiver's 429 is forgotten and the event comes again; nothing is left out."""
    receiver.script.append(Reply(status=429, headers={"Retry-After": "600"}))

    def parks(step: Step) -> bool:
        up = step.up()
        return up is not None and up.HasField("park")

    async with held_at(place, parks) as (agent, gateway, passage):
        async with gateway.client() as client:
            assert (await send(client, agent, receiver)).status_code == 202
        await passage.reached()
        await kill(victim, place, gateway, passage)
        hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    one_content_an_id(hooks)
    assert [hook.json()["seq"] for hook in hooks].count(1) == 2
    assert runs(place) == 1


@pytest.mark.parametrize("victim", ["gateway", "runtime", "both"])
async def test_fault_06_killed_while_a_turn_is_parked(
    place: House, receiver: Receiver, victim: Literal["gateway", "runtime", "both"]
) -> None:
    """Whoever delivers next waits out the receiver's Retry-After, which is on disk."""
    receiver.script.append(Reply(status=429, headers={"Retry-After": "3"}))
    gateway = await place.gateway()
    async with gateway.client() as client:
        assert (await send(client, await client.create(), receiver)).status_code == 202
    await parked(place)
    if victim != "gateway":
        place.kill_runtimes()
    if victim != "runtime":
        await gateway.kill()
        await place.gateway()
    hooks = await turn(receiver, REQUEST)
    whole(first_seen(hooks))
    assert [hook.json()["seq"] for hook in hooks].count(1) == 2
    assert hooks[1].at_s - hooks[0].at_s >= 3
    assert runs(place) == 1


async def parked(place: House) -> None:
    """Wait until the journal says so."""
    async with asyncio.timeout(10):
        while not journalled(place, "next_attempt_ms > 0"):
            await asyncio.sleep(0.02)


async def test_fault_32_runtime_killed_in_a_commit(place: House, receiver: Receiver) -> None:
    """Half a page is on disk: the next runtime opens the journal, and what was delivered before
    keeps its ids and content; the turn has one final."""
    gateway = await place.gateway()
    async with gateway.client() as client:
        agent = await client.create()
        content = "while :; do echo line; sleep 0.005; done"
        assert (await client.send(agent, content, receiver.url)).status_code == 202
        await receiver.wait(20)
        (pid,) = runtimes(place.state).values()
        tear_the_next_page(pid, place.journals()[0])
        await said(place, "journal_commit_failed")
        os.kill(pid, signal.SIGKILL)
        await receiver.noticed.until(lambda: bool(ended(receiver)), within_s=30)
        assert ended(receiver)[0].json()["error"]["code"] == "AGENT_RESTARTED"
        one_content_an_id(receiver.hooks)
        whole(first_seen(receiver.hooks))
        again = await client.send(agent, "echo back", receiver.url)
        hooks = await turn(receiver, again.json()["request_id"])
    assert text(first_seen(hooks)) == "back\n"
    whole(first_seen(hooks))


def tear_the_next_page(pid: int, journal: Path) -> None:
    """The system lets that process write half a page more and no further."""
    size = journal.with_name(f"{journal.name}-wal").stat().st_size
    limits = (size + 2048, resource.RLIM_INFINITY)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


async def said(place: House, event: str) -> None:
    """Wait until an agent has logged that."""
    async with asyncio.timeout(10):
        while event not in place.logs():
            await asyncio.sleep(0.02)


def ended(receiver: Receiver) -> list[Hook]:
    return [hook for hook in receiver.hooks if hook.json().get("is_final")]
