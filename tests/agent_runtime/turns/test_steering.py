"""Messages that are wanted now, other sessions, the model, and what all of it has used."""

import asyncio
from pathlib import Path

import pytest

from agent_runtime.backends.asks import Decision, PermissionAsk
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Invalid
from agent_runtime.journal.rows import Command
from agent_runtime.model import BackendEvent, Kind, Outcome, TurnEnd, Usage
from agent_runtime.turns.command import check
from agent_runtime.turns.consent import MAX_RULES as MAX_TURN_RULES
from agent_runtime.turns.policy import MAX_RULES, Action, Policy, Rule
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import interrupt, message
from tests.agent_runtime.turns.bench import Bench, bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend, echo, until_interrupted

STEERLESS = frozenset(Capability) - {Capability.STEER}


def now(request_id: str, content: str, policy: agent_pb2.Policy | None = None) -> Command:
    send = agent_pb2.SendMessageRequest(content=content, when="now", policy=policy)
    return check(agent_pb2.AgentRequest(request_id=request_id, send_message=send), ticket=b"t")


def new_session(request_id: str, *, fork: bool = False) -> Command:
    asked = agent_pb2.NewSessionRequest(fork=fork)
    return check(agent_pb2.AgentRequest(request_id=request_id, new_session=asked))


async def first_interrupted(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    """The first prompt runs until it is interrupted, the others end by themselves."""
    script = until_interrupted if len(backend.prompts) == 1 else echo
    return await script(backend, content, sink)


async def running(b: Bench) -> None:
    await b.runner.submit(message("r1", "one"))
    await b.until_prompted("one")


async def test_a_message_now_goes_into_the_running_turn(tmp_path: Path) -> None:
    """Where the CLI takes it there: its own turn is over at once, the running one goes on."""
    async with bench(tmp_path, first_interrupted) as b:
        await running(b)
        await b.runner.submit(now("n1", "but quickly"))
        assert (await b.until("n1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (b.backend.steered, b.backend.prompts) == (["but quickly"], ["one"])
        assert not b.journal.turn("r1").ended
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")


async def test_a_message_now_else_takes_the_running_turns_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It interrupts it, and comes before everything that waits."""
    monkeypatch.setattr(ScriptedBackend, "capabilities", STEERLESS)
    async with bench(tmp_path, first_interrupted) as b:
        await running(b)
        await b.runner.submit(message("r2", "two"))
        await b.runner.submit(now("n1", "now"))
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert (await b.until("r2")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (b.backend.prompts, b.backend.steered) == (["one", "now", "two"], [])


async def test_the_policy_of_a_message_now_holds_from_then_on(tmp_path: Path) -> None:
    """In the turn that it joined, before what held there; nothing of it is dropped unseen."""
    steered, decisions = asyncio.Event(), list[Decision]()

    async def asks_twice(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        for number in range(2):
            ask = PermissionAsk(prompt_id=f"{content}-{number}", tool="bash")
            event = BackendEvent("ask", b"{}", Kind.PERMISSION_ASKED, ask.data_json)
            decisions.append((await (await sink.permission(event, ask)).answer()).decision)
            await steered.wait()
        return COMPLETED

    allowed = Policy(rules=(Rule(tool="bash", action=Action.ALLOW),))
    async with bench(tmp_path, asks_twice, policy=allowed) as b:
        await running(b)
        denied = agent_pb2.Rule(tool="bash", action="deny")
        await b.runner.submit(now("n1", "but quickly", agent_pb2.Policy(rules=[denied])))
        steered.set()
        await b.until("r1")
        assert decisions == [Decision.ONCE, Decision.REJECT]


async def test_rules_of_one_turn_are_bounded(tmp_path: Path) -> None:
    """A message whose rules find no room takes the turn's place: none of it is forgotten."""
    rules = [agent_pb2.Rule(tool=f"tool{number}", action="deny") for number in range(MAX_RULES)]
    fits = MAX_TURN_RULES // MAX_RULES
    async with bench(tmp_path, first_interrupted) as b:
        await running(b)
        for number in range(fits + 1):
            await b.runner.submit(now(f"n{number}", f"{number}", agent_pb2.Policy(rules=rules)))
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        await b.until(f"n{fits}")
        assert b.backend.prompts == ["one", f"{fits}"]
        assert len(b.backend.steered) == fits


@pytest.mark.parametrize("fork", [False, True], ids=["fresh", "fork"])
async def test_another_session_does_not_make_way(tmp_path: Path, *, fork: bool) -> None:
    """A message that is wanted now is said in it: it comes next, and interrupts nothing."""
    async with bench(tmp_path) as b:
        b.backend.session_gate.clear()
        await b.runner.submit(new_session("s1", fork=fork))
        await b.runner.submit(message("r2", "two"))
        await b.runner.submit(now("n1", "now"))
        b.backend.session_gate.set()
        assert (await b.until("s1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (await b.until("n1")).session_id == "session-1"
        await b.until("r2")
        assert (b.backend.prompts, b.backend.steered) == (["now", "two"], [])


async def test_a_prompt_that_has_just_ended_is_not_steered(tmp_path: Path) -> None:
    """What the CLI could not take any more is a message of its own."""
    async with bench(tmp_path, first_interrupted) as b:
        b.backend.steers = False
        await running(b)
        await b.runner.submit(now("n1", "now"))
        await b.until("n1")
        assert b.backend.prompts == ["one", "now"]


async def test_a_message_now_is_a_message_when_nothing_runs(tmp_path: Path) -> None:
    """There is nothing to steer."""
    async with bench(tmp_path) as b:
        await b.runner.submit(now("n1", "now"))
        assert (await b.until("n1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (b.backend.prompts, b.backend.steered) == (["now"], [])


async def test_an_interrupt_means_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the message that came first and still waits."""
    monkeypatch.setattr(ScriptedBackend, "capabilities", STEERLESS)
    async with bench(tmp_path, until_interrupted) as b:
        await running(b)
        await b.runner.submit(message("r2", "two"))
        await b.runner.submit(now("n1", "now"))
        await b.until("r1")
        await b.until_prompted("now")
        await b.runner.submit(interrupt("i1"))
        assert (await b.until("n1")).outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert not b.journal.turn("r2").ended


async def test_now_is_still_first_after_a_restart(tmp_path: Path) -> None:
    """What waits is taken up in the order in which it would have run."""
    async with bench(tmp_path) as b:
        b.runner.close()
        for command in (message("r1", "one"), now("n1", "now")):
            await b.journal.accept(command)
    async with bench(tmp_path) as b:
        await b.until("r1")
        assert b.backend.prompts == ["now", "one"]


async def test_another_session_waits_its_turn(tmp_path: Path) -> None:
    """Between the messages before and after it; its final has the id, and so has the status."""
    async with bench(tmp_path) as b:
        await b.runner.submit(message("r1", "one"))
        await b.runner.submit(new_session("s1"))
        await b.runner.submit(new_session("s2", fork=True))
        final = await b.until("s2")
        assert (final.outcome, final.session_id) == (agent_pb2.OUTCOME_COMPLETED, "session-2")
        assert b.backend.sessions == ["fresh", "fork"]
        assert b.runner.session_id == "session-2"


async def test_an_unknown_model_is_refused_before_it_is_accepted(tmp_path: Path) -> None:
    """The caller learns which there are."""
    asked = agent_pb2.SetModelRequest(model="unlisted")
    async with bench(tmp_path) as b:
        with pytest.raises(Invalid, match="known are a, b"):
            await b.runner.submit(check(agent_pb2.AgentRequest(request_id="m1", set_model=asked)))
        assert b.backend.models == []


async def test_usage_adds_up_over_turns_and_restarts(tmp_path: Path) -> None:
    """Each turn counts once, with the commit of its final."""

    async def costs(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        usage = Usage(input_tokens=10, output_tokens=1, cost_usd=0.5)
        return TurnEnd(outcome=Outcome.COMPLETED, usage=usage)

    for number in range(2):
        async with bench(tmp_path, costs) as b:
            await b.runner.submit(message(f"r{number}"))
            await b.until(f"r{number}")
    async with bench(tmp_path) as b:
        await b.runner.submit(message("free"))
        await b.until("free")
        assert b.runner.usage == Usage(input_tokens=20, output_tokens=2, cost_usd=1.0)


def test_when_is_checked() -> None:
    """A word that nobody understands must not be one that waits."""
    send = agent_pb2.SendMessageRequest(content="x", when="later")
    with pytest.raises(Invalid, match="when"):
        check(agent_pb2.AgentRequest(request_id="r1", send_message=send))
