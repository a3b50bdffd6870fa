"""What the backend asks in mid-turn: policy, replies, time, interrupts, restarts."""

import asyncio
import shutil
from pathlib import Path

import pytest

from agent_runtime.backends.asks import (
    Decision,
    Option,
    PermissionAnswer,
    PermissionAsk,
    Question,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Answered, Invalid, TooLate, UnknownPrompt
from agent_runtime.journal.rows import Command
from agent_runtime.model import BackendEvent, Kind, TurnEnd
from agent_runtime.turns.command import check
from agent_runtime.turns.permissions import UNATTENDED
from agent_runtime.turns.policy import Action, Policy, Rule
from agent_runtime.turns.waiting import MAX_OPEN
from proto.agent.v1 import agent_pb2
from proto.relay.v1.relay_pb2 import SubmitResponse
from tests.agent_runtime.commands import interrupt, message
from tests.agent_runtime.turns.bench import Bench, bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend

BASH = PermissionAsk(prompt_id="p1", tool="bash", input_json=b'{"command":"ls"}')
EDIT = PermissionAsk(prompt_id="p2", tool="edit", edits=True)
WHICH = QuestionAsk(
    prompt_id="q1", questions=(Question(question="Which?", options=(Option("A"), Option("B"))),)
)


class Asks:
    """A script that asks all of these at once, and ends when each is answered."""

    def __init__(self, *asks: PermissionAsk | QuestionAsk) -> None:
        self.asks = asks
        self.answers: list[PermissionAnswer | QuestionAnswer] = []

    async def __call__(self, _: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        self.answers = await asyncio.gather(*(self._ask(ask, sink) for ask in self.asks))
        return COMPLETED

    async def _ask(
        self, ask: PermissionAsk | QuestionAsk, sink: TurnSink
    ) -> PermissionAnswer | QuestionAnswer:
        if isinstance(ask, QuestionAsk):
            event = BackendEvent("ask", b"{}", Kind.QUESTION_ASKED, ask.data_json)
            return await (await sink.question(event, ask)).answer()
        event = BackendEvent("ask", b"{}", Kind.PERMISSION_ASKED, ask.data_json)
        return await (await sink.permission(event, ask)).answer()

    @property
    def decisions(self) -> list[Decision]:
        return [answer.decision for answer in self.answers if isinstance(answer, PermissionAnswer)]


def reply(
    request_id: str,
    prompt_id: str,
    decision: str = "",
    *,
    answers: tuple[str, ...] = (),
    why: str = "",
) -> Command:
    told = agent_pb2.ReplyRequest(
        prompt_id=prompt_id,
        decision=decision,
        message=why,
        answers=[agent_pb2.Chosen(answers=[answer]) for answer in answers],
    )
    return check(agent_pb2.AgentRequest(request_id=request_id, reply=told))


async def until_open(b: Bench, count: int = 1) -> None:
    """So many prompts wait for an answer."""
    async with asyncio.timeout(10):
        while len(b.journal.prompts.opened()) < count:
            await asyncio.sleep(0.01)


def rules(*pairs: tuple[str, Action], timeout_s: float | None = None) -> Policy:
    made = tuple(Rule(tool=tool, action=action) for tool, action in pairs)
    return Policy(rules=made, timeout_s=timeout_s)


async def test_a_reply_reaches_the_backend(tmp_path: Path) -> None:
    """Asked, listed with what its event says, answered once; the turn goes on with it."""
    asks = Asks(BASH)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b)
        ((prompt, request_id),) = b.journal.prompts.opened()
        assert (prompt.prompt_id, prompt.data, request_id) == ("p1", BASH.data_json, "r1")
        assert prompt.expires_ms - prompt.asked_ms == 600_000
        await b.runner.submit(reply("a1", "p1", "always"))
        assert (await b.until("a1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert b.journal.prompts.opened() == []
    assert asks.decisions == [Decision.ALWAYS]


async def test_a_rejection_says_why(tmp_path: Path) -> None:
    """The user's words reach the backend; without words of theirs there are some all the same."""
    asks = Asks(BASH, EDIT)
    async with bench(tmp_path, asks, mode=PermissionMode.DEFAULT) as b:
        await b.runner.submit(message("r1"))
        await until_open(b, 2)
        await b.runner.submit(reply("a1", "p1", "reject", why="Not there."))
        await b.runner.submit(reply("a2", "p2", "reject"))
        await b.until("r1")
    first, second = asks.answers
    assert first == PermissionAnswer(decision=Decision.REJECT, message="Not there.")
    assert isinstance(second, PermissionAnswer)
    assert second.message


async def test_a_question_is_answered(tmp_path: Path) -> None:
    """One list of texts a question."""
    asks = Asks(WHICH)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b)
        await b.runner.submit(reply("a1", "q1", answers=("B",)))
        await b.until("r1")
    assert asks.answers == [QuestionAnswer((("B",),))]


async def test_answers_that_come_twice_late_or_amiss_are_told_so(tmp_path: Path) -> None:
    """409, 410, 404 and 400 of the API; the same reply again is a repeat."""
    asks = Asks(BASH, WHICH)
    async with bench(tmp_path, asks) as b:
        with pytest.raises(UnknownPrompt):
            await b.runner.submit(reply("a0", "p1", "once"))
        await b.runner.submit(message("r1"))
        await until_open(b, 2)
        with pytest.raises(Invalid, match="answers: this prompt asks for permission"):
            await b.runner.submit(reply("a0", "p1", answers=("B",)))
        with pytest.raises(Invalid, match="decision: this prompt is a question"):
            await b.runner.submit(reply("a0", "q1", "once"))
        with pytest.raises(Invalid, match="1 are needed"):
            await b.runner.submit(reply("a0", "q1", answers=("A", "B")))
        await b.runner.submit(reply("a1", "p1", "once"))
        again = await b.runner.submit(reply("a1", "p1", "once"))
        assert again.result == SubmitResponse.RESULT_DUPLICATE
        with pytest.raises(Answered):
            await b.runner.submit(reply("a2", "p1", "reject"))
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")
        with pytest.raises(TooLate):
            await b.runner.submit(reply("a3", "q1", answers=("A",)))


async def test_an_interrupt_settles_open_prompts(tmp_path: Path) -> None:
    """Whoever waits is refused at once, and nothing stays open."""
    asks = Asks(BASH, WHICH)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b, 2)
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")
        assert b.journal.prompts.opened() == []
    assert asks.decisions == [Decision.REJECT]
    assert asks.answers[1] == QuestionAnswer.same(WHICH, UNATTENDED)


@pytest.mark.parametrize(("outcome", "decision"), [("", Decision.REJECT), ("allow", Decision.ONCE)])
async def test_time_runs_out(tmp_path: Path, outcome: str, decision: Decision) -> None:
    """The outcome is the policy's; a question is answered with 'decide yourself'."""
    asks = Asks(BASH, WHICH)
    policy = Policy.of(agent_pb2.Policy(timeout_ms=50, on_timeout=outcome))
    async with bench(tmp_path, asks, policy=policy) as b:
        await b.runner.submit(message("r1"))
        await b.until("r1")
        with pytest.raises(TooLate, match="time is up"):
            await b.runner.submit(reply("a1", "p1", "once"))
    assert asks.decisions == [decision]
    assert asks.answers[1] == QuestionAnswer.same(WHICH, UNATTENDED)


async def test_the_turns_clock_stands_still_while_the_user_thinks(tmp_path: Path) -> None:
    """A limit of running time is none of waiting time."""
    asks = Asks(BASH)
    async with bench(tmp_path, asks) as b:
        send = agent_pb2.SendMessageRequest(content="x", timeout_ms=300)
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="r1", send_message=send)))
        await until_open(b)
        await asyncio.sleep(0.6)
        await b.runner.submit(reply("a1", "p1", "once"))
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_COMPLETED


@pytest.mark.parametrize(
    ("mode", "policy", "decision"),
    [
        (PermissionMode.BYPASS, rules(), Decision.ONCE),
        (PermissionMode.BYPASS, rules(("ba*", Action.DENY)), Decision.REJECT),
        (PermissionMode.DEFAULT, rules(("bash", Action.ALLOW)), Decision.ONCE),
        (
            PermissionMode.DEFAULT,
            rules(("web*", Action.ALLOW), ("*", Action.DENY)),
            Decision.REJECT,
        ),
    ],
)
async def test_what_policy_and_mode_decide_nobody_is_asked(
    tmp_path: Path, mode: PermissionMode, policy: Policy, decision: Decision
) -> None:
    """The first rule that matches, then the mode; a reply is told that it was decided."""
    asks = Asks(BASH)
    async with bench(tmp_path, asks, mode=mode, policy=policy) as b:
        await b.runner.submit(message("r1"))
        await b.until("r1")
        with pytest.raises(Answered, match="policy"):
            await b.runner.submit(reply("a1", "p1", "once"))
    assert asks.decisions == [decision]


async def test_a_messages_policy_comes_first(tmp_path: Path) -> None:
    """Its rules before the agent's; what it does not say is the agent's."""
    asks = Asks(BASH, EDIT)
    policy = rules(("bash", Action.ALLOW), ("edit", Action.DENY))
    async with bench(tmp_path, asks, policy=policy) as b:
        own = agent_pb2.Policy(rules=[agent_pb2.Rule(tool="bash", action="deny")])
        send = agent_pb2.SendMessageRequest(content="x", policy=own)
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="r1", send_message=send)))
        await b.until("r1")
    assert asks.decisions == [Decision.REJECT, Decision.REJECT]


async def test_a_policy_is_changed_for_the_next_prompt(tmp_path: Path) -> None:
    """The turn that runs keeps the one it began with; what is set is kept with the journal."""
    asks = Asks(BASH)
    own = agent_pb2.Policy(rules=[agent_pb2.Rule(tool="ba*", action="deny")], timeout_ms=1500)
    change = agent_pb2.SetPolicyRequest(policy=own)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b)
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="s1", set_policy=change)))
        assert (await b.until("s1")).complete.success
        await b.runner.submit(reply("a1", "p1", "once"))
        await b.until("r1")
        assert asks.decisions == [Decision.ONCE]
        await b.runner.submit(message("r2"))
        await b.until("r2")
        assert asks.decisions == [Decision.REJECT]
        assert Policy.read(b.journal.fact("policy")).told == own


async def test_edits_need_no_answer_under_accept_edits(tmp_path: Path) -> None:
    """What only changes files is allowed, the rest is asked."""
    asks = Asks(EDIT, BASH)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b)
        ((prompt, _),) = b.journal.prompts.opened()
        assert prompt.prompt_id == "p1"
        await b.runner.submit(reply("a1", "p1", "reject"))
        await b.until("r1")
    assert asks.decisions == [Decision.ONCE, Decision.REJECT]


async def test_a_prompt_of_a_dead_runtime_is_late(tmp_path: Path) -> None:
    """Its turn gets a final when the next runtime starts, and a reply the truth."""
    (tmp_path / "one").mkdir()
    async with bench(tmp_path / "one", Asks(BASH)) as b:
        await b.runner.submit(message("r1"))
        await until_open(b)
        shutil.copytree(tmp_path / "one", tmp_path / "two")  # as kill -9 would leave it
        await b.runner.submit(interrupt("i1"))
    async with bench(tmp_path / "two") as b:
        assert (await b.until("r1")).error.code == "AGENT_RESTARTED"
        with pytest.raises(TooLate):
            await b.runner.submit(reply("a1", "p1", "once"))


async def test_there_is_an_end_to_asking(tmp_path: Path) -> None:
    """A backend that asks without end is refused rather than remembered without end."""
    many = [PermissionAsk(prompt_id=f"p{number}", tool="bash") for number in range(MAX_OPEN + 1)]
    asks = Asks(*many)
    async with bench(tmp_path, asks) as b:
        await b.runner.submit(message("r1"))
        await until_open(b, MAX_OPEN)
        assert len(b.journal.prompts.opened()) == MAX_OPEN
        await b.runner.submit(interrupt("i1"))
        await b.until("r1")


@pytest.mark.parametrize(
    ("told", "word"),
    [
        (agent_pb2.ReplyRequest(prompt_id="", decision="once"), "prompt_id"),
        (agent_pb2.ReplyRequest(prompt_id="p1"), "decision or answers"),
        (agent_pb2.ReplyRequest(prompt_id="p1", answers=[agent_pb2.Chosen()]), "answers"),
        (
            agent_pb2.ReplyRequest(prompt_id="p1", decision="once", message="x" * 70_000),
            "message",
        ),
    ],
)
def test_replies_are_checked(told: agent_pb2.ReplyRequest, word: str) -> None:
    """The field is named."""
    with pytest.raises(Invalid, match=word):
        check(agent_pb2.AgentRequest(request_id="a1", reply=told))


@pytest.mark.parametrize("command", ["send_message", "set_policy"])
@pytest.mark.parametrize(
    "policy",
    [
        agent_pb2.Policy(rules=[agent_pb2.Rule(tool="", action="ask")]),
        agent_pb2.Policy(rules=[agent_pb2.Rule(tool="bash", action="maybe")]),
        agent_pb2.Policy(timeout_ms=-1),
        agent_pb2.Policy(on_timeout="explode"),
    ],
)
def test_policies_are_checked(policy: agent_pb2.Policy, command: str) -> None:
    """A rule that nobody understands must not be one that allows."""
    request = agent_pb2.AgentRequest(request_id="r1")
    request.send_message.content = "x"
    getattr(request, command).policy.CopyFrom(policy)
    with pytest.raises(Invalid, match="policy"):
        check(request)
