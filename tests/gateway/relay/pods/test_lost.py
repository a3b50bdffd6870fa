"""Agents that are gone: every turn they owed a final gets one, under its one id."""

import asyncio
from dataclasses import replace

import grpc
import pytest

from gateway.launchers.kubernetes.note import MAX_BYTES, key, written
from gateway.relay.pods import orphans
from gateway.relay.pods.claims import Claims, Loss, unix_ms
from tests.gateway.delivery.events import event, final
from tests.gateway.relay.house import AGENT, POLICY
from tests.gateway.relay.pods.test_waiting import PENDING, send
from tests.gateway.relay.pods.town import Town, town
from tests.gateway.relay.test_attach import _idle
from tests.peers.receiver import Reply

GONE = {"fate": "lost", "reason": "Evicted", "message": "the node was low on memory"}


async def test_noted_turns_of_a_lost_pod_get_their_finals() -> None:
    """AGENT_LOST under the final's id, seq 0, no session, no state of an agent; then the notes
    go, and with them what kept the pod."""
    async with town(others_s=0.0) as home:
        home.noted(home.note("r1"), home.note("r2"), **GONE)
        hooks = await home.receiver.wait(2)
        await home.until(lambda: not home.cluster.notes(AGENT))
        by_id = {hook.id: hook.json() for hook in hooks}
        assert by_id.keys() == {f"{AGENT}_r1_final", f"{AGENT}_r2_final"}
        payload = by_id[f"{AGENT}_r1_final"]
        payload.pop("timestamp")
        assert payload == {
            "event_type": "agent.error",
            "agent_id": AGENT,
            "request_id": "r1",
            "session_id": "",
            "seq": 0,
            "is_final": True,
            "error": {
                "code": "AGENT_LOST",
                "message": "the agent's pod is gone: Evicted: the node was low on memory",
                "recoverable": False,
            },
            "outcome": "lost",
        }


async def test_a_pod_that_never_started_is_told_with_the_reason() -> None:
    """AGENT_START_FAILED for what waited, without waiting for others: nobody can relay it."""
    async with town(gateways=2, facts=PENDING, others_s=60.0) as home:
        await send(home, "r1")
        why = {"reason": "ErrImagePull", "message": "its image cannot be pulled"}
        home.cluster.change(AGENT, fate="start_failed", **why)
        [hook] = await home.receiver.wait(1)
        payload = hook.json()
        assert payload["error"]["code"] == "AGENT_START_FAILED"
        assert "ErrImagePull: its image cannot be pulled" in payload["error"]["message"]
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len(home.receiver.hooks) == 1


async def test_whoever_does_not_relay_it_waits_for_who_does() -> None:
    """The relaying gateway may hold what nobody else knows of."""
    async with town(gateways=2, others_s=60.0) as home:
        relay = await home.relayed(by=1)
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        home.cluster.change(AGENT, **GONE)
        await home.receiver.wait(1)
        claims = [pod.notes["r1"].claim for pod in home.cluster.history if "r1" in pod.notes]
        assert {claim.holder for claim in claims if claim} == {"gw-1"}
        await home.until(lambda: not home.cluster.notes(AGENT))


async def test_others_take_over_when_it_does_not_come() -> None:
    """The gateway that relayed it is gone as well."""
    async with town(others_s=0.3) as home:
        home.noted(home.note("r1"), **GONE)
        [hook] = await home.receiver.wait(1)
        assert hook.id == f"{AGENT}_r1_final"


async def test_what_is_in_flight_ends_before_the_final() -> None:
    """An event never comes after the final of its turn."""
    async with town() as home:
        relay = await home.relayed()
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        relay.events(event("r1", 1), event("r1", 2))
        await home.receiver.wait(1)
        home.cluster.change(AGENT, **GONE)
        assert len(home.receiver.hooks) == 1
        gate.set()
        hooks = await home.receiver.wait(2)
        assert [hook.id for hook in hooks] == [f"{AGENT}_1", f"{AGENT}_r1_final"]


async def test_a_turn_whose_real_final_is_in_flight_gets_no_other() -> None:
    """The agent did end it: that final counts, and the note goes with it."""
    async with town() as home:
        relay = await home.relayed()
        gate = asyncio.Event()
        home.receiver.script.append(Reply(gate=gate))
        relay.open_turn("r1", home.ticket("r1"))
        await home.until(lambda: "r1" in home.cluster.notes(AGENT))
        relay.events(final("r1", seq=1))
        await home.receiver.wait(1)
        home.cluster.change(AGENT, **GONE)
        gate.set()
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert [hook.json()["outcome"] for hook in home.receiver.hooks] == ["completed"]


async def test_young_turns_of_a_lost_pod_are_ended_with_the_rest() -> None:
    """Too young for a note: they get one that is claimed from the first."""
    async with town(note_after_s=60.0) as home:
        relay = await home.relayed()
        for name in ("r1", "r2"):
            relay.open_turn(name, home.ticket(name))
        relay.events(event("r1", 1))
        await relay.acked("r1", 1)
        await home.agent.noticed.until(lambda: len(home.gateway.ledger.held(AGENT)) == 2)
        home.cluster.change(AGENT, **GONE)
        hooks = await home.receiver.wait(3)
        assert sorted(hook.id for hook in hooks[1:]) == [f"{AGENT}_r1_final", f"{AGENT}_r2_final"]
        await home.until(lambda: not home.cluster.notes(AGENT))


async def test_young_turns_of_a_pod_that_vanished_are_ended_from_memory() -> None:
    """There is nothing left to write on; the gateway that relayed them answers for them, and
    repeats the same bytes until they are taken."""
    async with town(note_after_s=60.0) as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        relay.open_turn("r2", home.ticket("r2"))
        relay.events(final("r2", 1))
        await relay.acked("r2", 1)
        home.receiver.script.extend([Reply(status=500), Reply(status=503)])
        home.cluster.remove(AGENT)
        hooks = (await home.receiver.wait(4))[1:]
        assert {hook.id for hook in hooks} == {f"{AGENT}_r1_final"}
        assert len({hook.body for hook in hooks}) == 1


async def test_more_orphans_than_are_sent_at_once_come_one_after_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has its final: what there is no room for waits until others are taken."""
    monkeypatch.setattr(orphans, "MAX_ORPHANS", 2)
    async with town(note_after_s=60.0) as home:
        relay = await home.relayed()
        for number in range(5):
            relay.open_turn(f"r{number}", home.ticket(f"r{number}"))
        await home.agent.noticed.until(lambda: len(home.gateway.ledger.held(AGENT)) == 5)
        gate = asyncio.Event()
        home.receiver.default = lambda _: Reply(gate=gate)
        home.cluster.remove(AGENT)
        await home.receiver.wait(2)
        assert len(home.gateway.ledger.held(AGENT)) == 3
        gate.set()
        hooks = await home.receiver.wait(5)
        assert {hook.id for hook in hooks} == {f"{AGENT}_r{number}_final" for number in range(5)}


async def test_a_turn_that_no_relay_has_heard_of_is_answered_for() -> None:
    """Whoever answered 202 does it, until a relay knows the turn."""
    async with town(note_after_s=60.0) as home:
        home.agent.greets = False
        await home.gateway.accept.message(home.at, "r1", "hello", target=home.target())
        home.cluster.remove(AGENT)
        [hook] = await home.receiver.wait(1)
        assert hook.id == f"{AGENT}_r1_final"


async def test_a_turn_that_another_gateway_relays_is_its_own() -> None:
    """Who answered 202 and was refused as the second relay has nothing to answer for."""
    async with town(gateways=2) as home:
        relay = await home.relayed()
        home.agent.refuses = grpc.StatusCode.ALREADY_EXISTS
        await home.gateways[1].accept.message(home.at, "r1", "hello", target=home.target())
        assert home.gateways[1].ledger.held(AGENT)
        while home.gateways[1].attachments.relays(AGENT):
            await asyncio.sleep(0.01)  # until the relay that was refused is over
        assert not home.gateways[1].ledger.held(AGENT)
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final("r1", 1))
        await relay.acked("r1", 1)
        assert home.cluster.notes(AGENT) == {}


async def test_a_relay_that_broke_before_its_pod_vanished_changes_nothing() -> None:
    """The stream goes first as a rule; what it held is still answered for."""
    async with town(note_after_s=60.0, attaches=1) as home:
        relay = await home.relayed()
        relay.open_turn("r1", home.ticket("r1"))
        await home.agent.noticed.until(lambda: bool(home.gateway.ledger.held(AGENT)))
        home.gateway.launcher.targets.clear()
        relay.end()
        await _idle(AGENT)
        home.cluster.remove(AGENT)
        [hook] = await home.receiver.wait(1)
        assert hook.id == f"{AGENT}_r1_final"


async def test_a_final_that_fails_waits_on_the_pod_and_repeats_byte_for_byte() -> None:
    """Attempts, first failure and due time are in the claim; content never changes."""
    async with town(others_s=0.0) as home:
        home.receiver.script.extend([Reply(status=500), Reply(status=503)])
        home.noted(home.note("r1"), **GONE)
        hooks = await home.receiver.wait(3)
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len({(hook.id, hook.body) for hook in hooks}) == 1
        notes = [pod.notes["r1"] for pod in home.cluster.history if "r1" in pod.notes]
        claims = [note.claim for note in notes if note.claim]
        assert [claim.attempts for claim in claims] == sorted(claim.attempts for claim in claims)
        assert claims[-1].attempts == 2
        assert len({claim.first_failure_ms for claim in claims if claim.attempts}) == 1


async def test_another_gateway_goes_on_with_the_same_final() -> None:
    """What the first one decided stays, word for word; it waits for what was asked."""
    async with town(others_s=0.0) as home:
        home.receiver.script.append(Reply(status=503, headers={"Retry-After": "1"}))
        home.noted(home.note("r1"), **GONE)
        await home.receiver.wait(1)
        await home.until(lambda: _attempts(home) == 1)
        await home.gateway.pods.close()
        _age(home, by_ms=61_000)
        home.cluster.change(AGENT, message="something else is told by now")
        async with home.another("gw-late", others_s=0.0):
            hooks = await home.receiver.wait(2)
            await home.until(lambda: not home.cluster.notes(AGENT))
        assert hooks[0].body == hooks[1].body
        assert hooks[1].at_s - hooks[0].at_s >= 0.9


async def test_a_claim_that_is_renewed_is_not_taken() -> None:
    """A minute must have passed since its holder's last sign of life."""
    async with town(others_s=0.0) as home:
        note = home.note("r1")
        theirs = Claims("other").ending(note, Loss("AGENT_LOST", "gone"))
        home.noted(theirs, home.note("r2"), **GONE)
        await home.until(lambda: home.cluster.notes(AGENT).keys() == {"r1"})
        assert home.receiver.ids == [f"{AGENT}_r2_final"]
        _age(home, by_ms=61_000)
        await home.receiver.wait(2)
        await home.until(lambda: not home.cluster.notes(AGENT))


async def test_nobody_attaches_to_a_pod_with_claimed_turns() -> None:
    """Its agent might tell another story of them."""
    async with town() as home:
        note = Claims("other").ending(home.note("r1"), Loss("AGENT_LOST", "gone"))
        home.noted(note)
        home.gateway.attachments.ensure(AGENT)
        await _idle(AGENT)
        assert home.agent.attempts == 0


async def test_the_budget_ends_it_and_no_finalizer_stays() -> None:
    """Counted from the first failure, whoever it was that failed."""
    spent = replace(POLICY, budget_s=30.0)
    async with town(policy=spent, others_s=0.0) as home:
        home.receiver.default = lambda _: Reply(status=500)
        note = Claims("gone").ending(home.note("r1"), Loss("AGENT_LOST", "gone"))
        assert note.claim
        long_ago = unix_ms() - 61_000
        claim = replace(note.claim, renewed_ms=long_ago, attempts=7, first_failure_ms=long_ago)
        home.noted(replace(note, claim=claim), **GONE)
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len(home.receiver.hooks) == 1


async def test_a_receiver_that_wants_nothing_more_ends_it() -> None:
    """Rejected and 410: settled."""
    async with town(others_s=0.0) as home:
        home.receiver.script.extend([Reply(status=410), Reply(status=401)])
        home.noted(home.note("r1"), home.note("r2"), **GONE)
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len(home.receiver.hooks) == 2


async def test_many_turns_are_ended_in_parts() -> None:
    """Claims need room on the pod, too."""
    async with town(others_s=0.0) as home:
        home.noted(*(home.note(f"r{number}") for number in range(100)), **GONE)
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len(set(home.receiver.ids)) == len(home.receiver.ids) == 100
        claimed = [
            sum(note.claim is not None for note in pod.notes.values())
            for pod in home.cluster.history
        ]
        assert max(claimed) <= 32


async def test_a_pod_that_is_full_is_freed_turn_by_turn() -> None:
    """Whoever filled it: where there is no room for many claims, there is for one after another."""
    async with town(others_s=0.0) as home:
        notes = [home.note(f"{number:04}", path="/" + "x" * 1500) for number in range(90)]
        taken = sum(len(key(one.request_id)) + len(written(one)) for one in notes)
        filling = replace(home.note("last"), digest="d" * (MAX_BYTES - taken - 1500))
        home.noted(*notes, filling, **GONE)
        await home.until(lambda: not home.cluster.notes(AGENT))
        assert len(set(home.receiver.ids)) == len(home.receiver.ids) == 91


async def test_an_api_server_that_is_away_delays_the_finals() -> None:
    """Nothing is posted without a claim; everything once it is back."""
    async with town(others_s=0.0) as home:
        home.cluster.down = True
        home.noted(home.note("r1"), **GONE)
        await home.cluster.noticed.until(lambda: home.cluster.asked >= 2)
        assert not home.receiver.hooks
        home.cluster.down = False
        await home.receiver.wait(1)
        await home.until(lambda: not home.cluster.notes(AGENT))


def _attempts(home: Town) -> int:
    claim = home.cluster.notes(AGENT)["r1"].claim
    return claim.attempts if claim else 0


def _age(home: Town, *, by_ms: int) -> None:
    """The claims were renewed earlier, and what they wait for stays."""
    notes = {}
    for name, note in home.cluster.notes(AGENT).items():
        claim = note.claim and replace(note.claim, renewed_ms=note.claim.renewed_ms - by_ms)
        notes[name] = replace(note, claim=claim)
    home.cluster.change(AGENT, notes=notes)
