"""What is asked, decided and answered, with every backend that asks."""

from pathlib import Path
from typing import Any

import pytest

from agent_runtime.errors import Answered, TooLate
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.backends.rigs import AcpRig, ModelRig
from tests.agent_runtime.backends.working import Work, answer, at_work, give_up
from tests.peers.stub_model import Call, Say


@pytest.fixture(params=["acp", "claude_code", "codex", "opencode"])
def asking_rig(request: pytest.FixtureRequest) -> ModelRig:
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig


@pytest.fixture(params=["claude_code", "codex", "opencode"])
def questioning_rig(request: pytest.FixtureRequest) -> ModelRig:
    """Those that have questions, too."""
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig


async def test_what_can_be_read_can_be_answered(asking_rig: ModelRig, tmp_path: Path) -> None:
    """The prompt is there with the first sight of its event: listed, and open to a reply."""
    asks: list[Call] = [asking_rig.run(f"rm -f {number}") for number in range(6)]
    if not isinstance(asking_rig, AcpRig):  # has no questions
        asks.append(asking_rig.ask("Which?", "A", "B"))
    listed: list[bool] = []

    async def look_and_answer(work: Work, asked: dict[str, Any]) -> None:
        listed.append(asked["prompt_id"] in work.open)
        await answer(work, asked)

    async with at_work(tmp_path, asking_rig.make()) as work:
        final, _ = await work.say(asking_rig.script(*asks, Say("Done.")), hear=look_and_answer)
    assert final.outcome == agent_pb2.OUTCOME_COMPLETED
    assert listed == [True] * len(asks)


def rule(rig: ModelRig, action: str) -> agent_pb2.Policy:
    """About running commands, the tool named by its first letters."""
    (tool,) = [name for name, what in rig.tools.items() if what == "run"]
    return agent_pb2.Policy(rules=[agent_pb2.Rule(tool=f"{tool[:3]}*", action=action)])


def times_out(outcome: str) -> agent_pb2.Policy:
    return agent_pb2.Policy(timeout_ms=300, on_timeout=outcome)


async def always(work: Work, asked: dict[str, Any]) -> None:
    await work.reply(asked["prompt_id"], decision="always")


async def answer_twice(work: Work, asked: dict[str, Any]) -> None:
    await answer(work, asked)
    with pytest.raises(Answered, match="already"):
        await work.reply(asked["prompt_id"], decision="reject")


@pytest.mark.timeout(300)
async def test_policy_time_and_interrupt_decide(asking_rig: ModelRig, tmp_path: Path) -> None:
    """By the tool's name, by the time, or because it is given up; a late reply is told so.

    What is always allowed is asked once.
    """
    ran = asking_rig.place.workspace

    def touch(name: str) -> str:
        asking_rig.model.forget()  # a refusal may have ended the turn before
        return asking_rig.script(asking_rig.run(f"touch {name}"), Say("Done."))

    async with at_work(tmp_path, asking_rig.make()) as work:
        _, (asked,) = await work.say(touch("denied"), policy=rule(asking_rig, "deny"))
        with pytest.raises(Answered, match="policy"):
            await work.reply(asked["prompt_id"], decision="once")
        await work.say(touch("allowed"), policy=rule(asking_rig, "allow"))
        await work.say(touch("asked"), policy=rule(asking_rig, "ask"), hear=answer_twice)
        _, (asked,) = await work.say(touch("late"), policy=times_out("reject"))
        with pytest.raises(TooLate, match="time is up"):
            await work.reply(asked["prompt_id"], decision="once")
        await work.say(touch("unanswered"), policy=times_out("allow"))
        final, (asked,) = await work.say(touch("given-up"), hear=give_up)
        assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED
        with pytest.raises(TooLate, match="nobody waits"):
            await work.reply(asked["prompt_id"], decision="once")
        assert work.open == set()
        final, _ = await work.say(touch("after"), policy=rule(asking_rig, "allow"))
        assert final.outcome == agent_pb2.OUTCOME_COMPLETED
        twice = asking_rig.script(*[asking_rig.run("rm -f nothing")] * 2, Say("Done."))
        assert len((await work.say(twice, hear=always))[1]) == 1
    assert {path.name for path in ran.iterdir()} == {"allowed", "asked", "unanswered", "after"}


async def test_a_question_that_nobody_answers(questioning_rig: ModelRig, tmp_path: Path) -> None:
    """The model is told to decide itself, by the policy at once, or when the time is up."""

    def ask() -> str:
        return questioning_rig.script(questioning_rig.ask("Which?", "A", "B"), Say("Done."))

    denied = agent_pb2.Policy(rules=[agent_pb2.Rule(tool="question", action="deny")])
    async with at_work(tmp_path, questioning_rig.make()) as work:
        _, (asked,) = await work.say(ask(), policy=denied)
        assert questioning_rig.model.heard().count("Decide yourself") == 1
        with pytest.raises(Answered, match="policy"):
            await work.reply(asked["prompt_id"], answers=["A"])
        _, (asked,) = await work.say(ask(), policy=times_out("allow"))
        assert questioning_rig.model.heard().count("Decide yourself") == 2
        with pytest.raises(TooLate, match="time is up"):
            await work.reply(asked["prompt_id"], answers=["A"])
