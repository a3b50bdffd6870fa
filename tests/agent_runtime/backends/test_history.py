"""The conversation as an agent tells it, with every real CLI: from the CLI, or from the journal."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_runtime.backends.capability import Capability
from tests.agent_runtime.backends.living import Living, Messages, living
from tests.agent_runtime.backends.rigs import CommandRig, ModelRig, Rig
from tests.agent_runtime.backends.showing import FILES
from tests.peers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, Say, Stall

STORY = [
    "user: First.",
    "thinks: Let me see.",
    "says: I run it.Done.",
    "run: completed, there",
    "completed",
    "user: Second.",
    "says: Again.",
    "completed",
]


def told(rig: ModelRig, messages: Messages) -> list[str]:
    """Without what differs by nature: ids, times, the CLIs' own names."""
    lines = []
    for message in messages:
        if message["role"] == "user":
            lines.append(f"user: {message['text']}")
            continue
        if "reasoning" in message:
            lines.append(f"thinks: {message['reasoning']}")
        lines.append(f"says: {message['text']}")
        for call in message.get("tools", []):
            output = call["output"].strip().splitlines()[-1]
            lines.append(f"{rig.tools[call['tool']]}: {call['status']}, {output}")
        lines.append(message["outcome"])
    return lines


async def converse(rig: ModelRig, agent: Living) -> None:
    run = replace(rig.run("echo hi; echo there"), think="Let me see.", text="I run it.")
    rig.script(run, Say("Done."))
    await agent.say("r1", "First.")
    rig.script(Say("Again."))
    await agent.say("r2", "Second.")


def without_source(messages: Messages) -> Messages:
    return [{**message, "source": ""} for message in messages]


def sources(messages: Messages) -> set[str]:
    return {message["source"] for message in messages}


@pytest.fixture(params=["claude_code", "codex", "opencode"])
def keeper(request: pytest.FixtureRequest) -> ModelRig:
    """One whose CLI keeps a history."""
    rig: ModelRig = request.getfixturevalue(request.param)
    return rig


async def test_every_backend_tells_the_same_conversation(rig: Rig, tmp_path: Path) -> None:
    """Roles, texts, thoughts, tools, usage; and what the CLI tells is what the journal does.

    Where the CLI keeps a history, it outlives the journal's events, the CLI's process and the
    runtime. Else it goes with them.
    """
    if not isinstance(rig, ModelRig):
        assert isinstance(rig, CommandRig)
        await _command(rig, tmp_path / "agent")
        return
    backend = rig.make()
    async with living(tmp_path / "agent", backend) as agent:
        await converse(rig, agent)
        messages = await agent.all()
        keeps = Capability.HISTORY in backend.capabilities
        assert sources(messages) == {"cli" if keeps else "journal"}
        assert told(rig, messages) == STORY
        check_common(messages, has_usage=Capability.USAGE in backend.capabilities)
        await backend.stop()
        if keeps:
            assert without_source(await agent.all()) == without_source(messages)
        await agent.trim()
        assert await once_woken(agent) == (messages if keeps else [])
    if not keeps:
        return
    next_one = rig.make_with(session_id=messages[-1]["session_id"])
    async with living(tmp_path / "agent", next_one) as agent:
        assert await once_woken(agent) == messages
        rig.script(Say("Once more."))
        await agent.say("r3", "Third.")
        assert (await agent.all())[:-2] == messages


async def once_woken(agent: Living) -> Messages:
    """What is told when the CLI, which this wakes, has come up; that may take a while."""
    messages = await agent.all()
    if all("truncated" not in message for message in messages):
        return messages
    await agent.runner.wakeup.wish()
    return await agent.all()


def check_common(messages: Messages, *, has_usage: bool) -> None:
    assert [message["request_id"] for message in messages] == ["r1", "r1", "r2", "r2"]
    assert len({message["session_id"] for message in messages}) == 1
    assert messages[0]["session_id"]
    times = [message["timestamp"] for message in messages]
    assert times == sorted(times)
    if has_usage:
        usage: dict[str, Any] = messages[1]["usage"]
        tokens = (usage["input_tokens"], usage["output_tokens"])
        assert tokens == (2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)


async def _command(rig: CommandRig, folder: Path) -> None:
    async with living(folder, rig.make()) as agent:
        await agent.say("r1", rig.say("Done."))
        user, assistant = await agent.all()
        assert (user["text"], assistant["text"]) == (rig.say("Done."), "Done.\n")
        assert sources([user, assistant]) == {"journal"}
        await agent.trim()
        assert await agent.all() == []
    async with living(folder, rig.make()) as agent:
        assert await agent.all() == []


async def test_another_session_forgets_nothing_of_the_conversation(
    keeper: ModelRig, tmp_path: Path
) -> None:
    """After a fork and a fresh session, each turn is told once, of the session in which it was."""
    rig = keeper
    async with living(tmp_path / "agent", rig.make()) as agent:
        for number, fork in enumerate((None, True, False)):
            if fork is not None:
                await agent.another(f"new-{number}", fork=fork)
            rig.script(Say(f"Answer {number}."))
            await agent.say(f"r{number}", f"Question {number}.")
        messages = await agent.all()
        assert [message["text"] for message in messages] == [
            f"{word} {number}." for number in range(3) for word in ("Question", "Answer")
        ]
        assert sources(messages) == {"cli"}
        assert len({message["session_id"] for message in messages}) == 3
        older, cursor = await agent.page(limit=2, cursor=(await agent.page(limit=2))[1])
        assert older == messages[2:4]
        assert (await agent.page(limit=2, cursor=cursor))[0] == messages[:2]


async def test_a_turn_that_runs_does_not_notice(keeper: ModelRig, tmp_path: Path) -> None:
    """The CLI tells what was before it, the journal itself; it goes on until it is interrupted.

    What was interrupted stays in the conversation, also when only the CLI has it.
    """
    rig = keeper
    async with living(tmp_path / "agent", rig.make()) as agent:
        rig.script(Say("Before."))
        await agent.say("r1", "First.")
        rig.script(Stall("Hmm"))
        await agent.begin("r2", "Second.")
        await agent.until_said("r2", "Hmm")
        for _ in range(3):
            messages = await agent.all()
            assert [message["source"] for message in messages] == ["cli"] * 2 + ["journal"] * 2
            assert [message["text"] for message in messages] == [
                *("First.", "Before."),
                *("Second.", "Hmm"),
            ]
        assert "outcome" not in messages[-1]
        await agent.interrupt("r2")
        await agent.ended("r2")
        rig.script(Say("After."))
        await agent.say("r3", "Third.")
        assert [message.get("outcome") for message in await agent.all()][1::2] == [
            *("completed", "interrupted", "completed")
        ]
        await agent.trim()
        trimmed = await agent.all()
        assert [message["text"] for message in trimmed][::2] == ["First.", "Second.", "Third."]
        assert sources(trimmed) == {"cli"}


async def test_files_are_told_by_their_names(keeper: ModelRig, tmp_path: Path) -> None:
    """Whatever the CLI made of them; what was said is what the user wrote."""
    rig = keeper
    backend = rig.make()
    files = [file for needed, file in FILES.items() if needed in backend.capabilities]
    async with living(tmp_path / "agent", backend) as agent:
        rig.script(Say("Seen."))
        await agent.say("r1", "Look.", *files)
        before = await agent.all()
        await agent.trim()
        assert await agent.all() == before
        assert sources(before) == {"cli"}
        assert (before[0]["text"], before[1]["text"]) == ("Look.", "Seen.")
        assert [file["filename"] for file in before[0]["attachments"]] == [
            file.filename for file in files
        ]
