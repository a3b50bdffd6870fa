"""Messages for a pod that has never been ready, and how they come into its journal."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from gateway.errors import Conflict, Unavailable
from gateway.launchers.notes import Note
from gateway.model import Accepted
from tests.gateway.relay.house import AGENT
from tests.gateway.relay.pods.town import UID, Gateway, Town, town
from tests.peers.agent import Lacks

PENDING = {"drained": False, "answers": False}
UNDRAINED = {"drained": False, "answers": True}


async def send(home: Town, request_id: str, content: str = "hi", *, by: int = 0) -> Accepted:
    gateway: Gateway = home.gateways[by]
    return await gateway.accept.message(home.at, request_id, content, target=home.target())


async def test_a_message_for_a_pod_that_never_was_ready_waits_on_it() -> None:
    """Accepted at once, sealed, in order of arrival; the agent is not called."""
    async with town(facts=PENDING) as home:
        for number in range(3):
            accepted = await send(home, f"r{number}", "secret words")
            assert not accepted.replayed
        notes = sorted(home.cluster.notes(AGENT).values(), key=lambda note: note.arrived_ms)
        assert [note.request_id for note in notes] == ["r0", "r1", "r2"]
        assert {note.kind for note in notes} == {"waiting"}
        assert b"secret" not in b"".join(note.sealed for note in notes)
        assert not home.agent.submits


async def test_repeats_and_conflicts_are_recognised_while_it_waits() -> None:
    """Also by another gateway: the digest is on the pod."""
    async with town(gateways=2, facts=PENDING) as home:
        await send(home, "r1", "hi")
        assert (await send(home, "r1", "hi", by=1)).replayed
        with pytest.raises(Conflict):
            await send(home, "r1", "other words", by=1)
        assert len(home.cluster.notes(AGENT)) == 1


async def test_two_messages_at_once_find_each_other() -> None:
    """The same message over two gateways is one note; two different ones are two."""
    async with town(gateways=2, facts=PENDING) as home:
        answers = await asyncio.gather(*(send(home, "r1", by=number % 2) for number in range(6)))
        assert [answer.replayed for answer in answers].count(False) == 1
        await asyncio.gather(send(home, "a", by=0), send(home, "b", by=1))
        assert home.cluster.notes(AGENT).keys() == {"r1", "a", "b"}


async def test_no_room_is_told_with_a_time() -> None:
    """64 KiB of waiting messages: beyond, 503 with Retry-After; what is there stays."""
    async with town(facts=PENDING) as home:
        for number in range(3):
            await send(home, f"r{number}", "x" * 12_000)
        with pytest.raises(Unavailable) as told:
            await send(home, "r3", "x" * 12_000)
        assert told.value.retry_after_s > 0
        await send(home, "small")
        assert len(home.cluster.notes(AGENT)) == 4


async def test_after_the_start_deadline_the_reason_is_told() -> None:
    """Nothing more waits for a pod that could not be started."""
    why = {"fate": "start_failed", "reason": "Unschedulable", "message": "no node takes it"}
    async with town(facts={**PENDING, **why}) as home:
        with pytest.raises(Unavailable, match="Unschedulable: no node takes it"):
            await send(home, "r1")
        assert not home.cluster.notes(AGENT)


async def test_what_waited_is_submitted_in_order_once_the_pod_answers() -> None:
    """Then it is open, then the pod is drained, and only then is the runtime told."""
    async with town(facts=PENDING) as home:
        for number in range(5):
            await send(home, f"r{number}", f"words {number}")
        home.agent.drained = ""
        home.cluster.change(AGENT, answers=True)
        await home.agent.noticed.until(lambda: home.agent.drained_as == [UID])
        assert [submit.request.request_id for submit in home.agent.submits] == [
            f"r{number}" for number in range(5)
        ]
        assert all(submit.waited for submit in home.agent.submits)
        assert home.agent.submits[3].request.send_message.content == "words 3"
        assert home.cluster.now(AGENT).drained
        notes = home.cluster.notes(AGENT)
        assert {(note.kind, note.claim) for note in notes.values()} == {("open", None)}
        assert notes["r2"].sealed == home.agent.submits[2].ticket
        await home.agent.relay()  # what was submitted is relayed
        drained = [pod.drained for pod in home.cluster.history]
        assert drained == sorted(drained)


async def test_claims_come_before_submits() -> None:
    """A gateway that would give the pod up must find that another one submits."""
    async with town(facts=PENDING) as home:
        await send(home, "r1")
        home.agent.submit_answers[:] = [None]
        home.cluster.change(AGENT, answers=True)
        await home.agent.noticed.until(lambda: len(home.agent.submits) == 1)
        claim = home.cluster.notes(AGENT)["r1"].claim
        assert claim is not None
        assert claim.holder == "gw-0"


async def test_a_pod_without_messages_is_drained_with_one_change() -> None:
    """As every pod is that nobody wrote to before it was ready."""
    async with town(facts=UNDRAINED) as home:
        await home.agent.noticed.until(lambda: home.agent.drained_as == [UID])
        assert home.cluster.patches == 1
        assert home.cluster.notes(AGENT) == {}


async def test_a_message_that_comes_while_it_is_drained_is_not_left_behind() -> None:
    """The last change is refused because of it, and it is submitted as well."""
    async with town(gateways=2, facts=PENDING) as home:
        await send(home, "r1")
        gate = home.agent.submit_gate = asyncio.Event()
        home.gateways[1].notes.lags = True  # it does not know yet that the pod answers
        home.cluster.change(AGENT, answers=True)
        await home.agent.noticed.until(lambda: len(home.agent.submits) == 1)
        await send(home, "r2", by=1)
        gate.set()
        await home.agent.noticed.until(lambda: home.agent.drained_as == [UID])
        assert [submit.request.request_id for submit in home.agent.submits] == ["r1", "r2"]
        assert {note.kind for note in home.cluster.notes(AGENT).values()} == {"open"}


async def test_two_gateways_that_drain_at_once_do_no_harm() -> None:
    """Each message is in the journal once, in order; nothing waits for ever."""
    async with town(gateways=2, facts=PENDING) as home:
        for number in range(6):
            await send(home, f"r{number}", by=number % 2)
        home.agent.drained = ""
        home.cluster.change(AGENT, answers=True)
        await home.agent.noticed.until(lambda: UID in home.agent.drained_as)
        first_sights = list(dict.fromkeys(s.request.request_id for s in home.agent.submits))
        assert first_sights == [f"r{number}" for number in range(6)]


async def test_a_new_message_drains_first() -> None:
    """What waited was accepted before."""
    async with town(facts=PENDING) as home:
        await send(home, "r1")
        gate = home.agent.submit_gate = asyncio.Event()
        home.cluster.change(AGENT, answers=True)
        later = asyncio.create_task(send(home, "r2"))
        await home.agent.noticed.until(lambda: len(home.agent.submits) == 1)
        gate.set()
        assert not (await later).replayed
        assert [submit.request.request_id for submit in home.agent.submits] == ["r1", "r2"]
        assert not home.agent.submits[1].waited


async def test_a_runtime_that_was_not_told_is_told() -> None:
    """The gateway that drained died before it could: annotation set, runtime undrained."""
    async with town() as home:
        home.agent.drained = ""
        home.agent.submit_answers[:] = [
            grpc.StatusCode.FAILED_PRECONDITION,
            home.agent.submit_answers[0],
        ]
        assert not (await send(home, "r1")).replayed
        assert home.agent.drained_as == [UID]


async def test_a_runtime_that_was_not_told_is_told_when_it_is_relayed() -> None:
    """Also without a message."""
    async with town() as home:
        home.agent.drained = ""
        await home.relayed()
        await home.agent.noticed.until(lambda: home.agent.drained_as == [UID])


async def test_a_drain_that_is_cut_short_is_finished_by_another_gateway() -> None:
    """Level-triggered: its claims grow old, and the rest is submitted."""
    async with town(gateways=1, facts=PENDING) as home:
        await send(home, "r1")
        await send(home, "r2")
        home.agent.drained = ""
        [accepted] = home.agent.submit_answers
        home.agent.submit_answers[:] = [accepted, None]
        home.cluster.change(AGENT, answers=True)
        await home.agent.noticed.until(lambda: len(home.agent.submits) == 2)
        await home.gateway.pods.close()
        home.agent.submit_answers[:] = [accepted]
        notes = {
            name: _older(note, by_ms=11_000) for name, note in home.cluster.notes(AGENT).items()
        }
        home.cluster.change(AGENT, notes=notes)
        async with home.another("gw-late"):
            await home.agent.noticed.until(lambda: home.agent.drained_as == [UID])
        assert [s.request.request_id for s in home.agent.submits][-2:] == ["r1", "r2"]


@pytest.mark.parametrize(
    "refusal",
    [
        grpc.StatusCode.INVALID_ARGUMENT,
        Lacks("fork"),
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.OUT_OF_RANGE,
    ],
    ids=["wrong", "unsupported", "unknown prompt", "answered", "late"],
)
async def test_what_the_agent_will_never_take_gets_its_final(
    refusal: grpc.StatusCode | Lacks,
) -> None:
    """It was accepted, so it ends: SEND_FAILED with the agent's words, and draining goes on."""
    async with town(facts=PENDING) as home:
        await send(home, "bad")
        await send(home, "good")
        accepted = home.agent.submit_answers[0]
        home.agent.submit_answers[:] = [refusal, accepted]
        home.cluster.change(AGENT, answers=True)
        [hook] = await home.receiver.wait(1)
        payload = hook.json()
        words = "no 'fork'" if isinstance(refusal, Lacks) else f"scripted {refusal.name}"
        assert hook.id == f"{AGENT}_bad_final"
        assert (payload["error"]["code"], payload["outcome"]) == ("SEND_FAILED", "failed")
        assert words in payload["error"]["message"]
        await home.until(lambda: home.cluster.notes(AGENT).keys() == {"good"})
        assert home.cluster.now(AGENT).drained
        assert not (await send(home, "later")).replayed


@pytest.mark.parametrize(
    "trouble",
    [
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.UNIMPLEMENTED,
    ],
    ids=lambda code: code.name.lower(),
)
async def test_what_the_agent_may_take_later_is_submitted_again(trouble: grpc.StatusCode) -> None:
    """It is full, on its way out, too old: nothing of that is the message's fault."""
    async with town(facts=PENDING) as home:
        await send(home, "r1")
        accepted = home.agent.submit_answers[0]
        home.agent.submit_answers[:] = [trouble, accepted]
        home.cluster.change(AGENT, answers=True)
        await home.until(lambda: home.cluster.now(AGENT).drained)
        assert [s.request.request_id for s in home.agent.submits] == ["r1", "r1"]
        assert not home.receiver.hooks


async def test_an_agent_that_the_launcher_does_not_find_refuses_nothing() -> None:
    """What the launcher does not know is not what the journal does not know."""
    async with town(facts=PENDING) as home:
        await send(home, "r1")
        target = home.gateway.launcher.targets.pop(AGENT)
        home.cluster.change(AGENT, answers=True)
        later = asyncio.create_task(send(home, "r2"))
        with pytest.raises(Unavailable):
            await later
        assert home.cluster.notes(AGENT)["r1"].kind == "waiting"
        home.gateway.launcher.targets[AGENT] = target
        await home.until(lambda: home.cluster.now(AGENT).drained)
        assert not home.receiver.hooks


async def test_turns_without_webhook_and_agents_with_volumes_leave_no_note() -> None:
    """Drained, and nothing to answer for: the finalizer goes."""
    async with town(facts={**PENDING, "keeps_journal": True}) as home:
        await send(home, "r1")
        home.cluster.change(AGENT, answers=True)
        await home.until(lambda: home.cluster.now(AGENT).drained)
        assert not home.cluster.notes(AGENT)
    async with town(facts=PENDING) as home:
        await home.gateway.accept.message(home.at, "r1", "hi", target=None)
        home.cluster.change(AGENT, answers=True)
        await home.until(lambda: home.cluster.now(AGENT).drained)
        assert not home.cluster.notes(AGENT)


async def test_turns_that_wait_can_be_read() -> None:
    """Their agent does not know them yet: they are queued, not unknown."""
    async with town(facts=PENDING) as home:
        home.gateway.launcher.targets.clear()
        await send(home, "r1")
        await send(home, "r2")
        told = await home.gateway.readback.turn(home.at, "r2")
        assert (told.request_id, told.state, told.delivery) == ("r2", "queued", "pending")
        page = await home.gateway.readback.turns(home.at)
        assert [turn.request_id for turn in page.turns] == ["r1", "r2"]
        with pytest.raises(Unavailable):
            await home.gateway.readback.turn(home.at, "r3")


async def test_what_is_read_of_an_agent_that_has_just_come_up_is_drained_first() -> None:
    """Else a turn that was accepted would be unknown for a moment."""
    async with town(facts=PENDING) as home:
        await send(home, "r1")
        gate = home.agent.submit_gate = asyncio.Event()
        home.cluster.change(AGENT, answers=True)
        reading = asyncio.create_task(home.gateway.readback.turn(home.at, "r1"))
        await home.agent.noticed.until(lambda: len(home.agent.submits) == 1)
        assert not reading.done()
        gate.set()
        assert (await reading).request_id == "r1"
        assert home.cluster.now(AGENT).drained


def _older(note: Note, *, by_ms: int) -> Note:
    """Its claim was renewed earlier."""
    assert note.kind == "open" or note.claim is not None
    if note.claim is None:
        return note
    return replace(note, claim=replace(note.claim, renewed_ms=note.claim.renewed_ms - by_ms))
