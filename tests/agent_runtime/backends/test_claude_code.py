"""The real Claude Code against the stub model: what the contract suite does not cover."""

import asyncio
import os
import signal

import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendCrashed
from agent_runtime.model import Code, Kind, Outcome, Usage
from agent_runtime.process_table import members
from tests.agent_runtime.backends.rigs import ClaudeCodeRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Call,
    Fail,
    Garbage,
    Say,
    Stall,
)

HELLO = Message("Hello.")


async def test_an_edit_is_allowed_and_told(claude_code: ClaudeCodeRig, sink: RecordingSink) -> None:
    """acceptEdits lets the agent write; call, permission, usage and thoughts are told.

    A part has one id in its deltas and when it is complete. The usage of the turn is that
    of all its model calls, with cached tokens; the CLI knows what they cost.
    """
    path = claude_code.place.workspace / "hello.txt"
    message = claude_code.script(
        Call("Write", {"file_path": str(path), "content": "hi\n"}, text="I write."),
        Say("Written.", think="That was easy."),
    )
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert path.read_text() == "hi\n"
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "I write.Written.")
    (call,) = sink.data(Kind.TOOL_STARTED)
    assert (call["tool"], call["input"]["content"]) == ("Write", "hi\n")
    done = sink.finished("Write")
    assert (done["call_id"], done["status"]) == (call["call_id"], "completed")
    assert done["output"]
    (asked,) = sink.data(Kind.PERMISSION_ASKED)
    (answered,) = sink.data(Kind.PERMISSION_ANSWERED)
    assert (asked["tool"], answered["decision"]) == ("Write", "once")
    assert asked["prompt_id"] == answered["prompt_id"]
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["I write.", "Written."]
    assert [data["text"] for data in sink.data(Kind.REASONING)] == ["That was easy."]
    for delta, whole in (
        (Kind.TEXT_DELTA, Kind.TEXT),
        (Kind.REASONING_DELTA, Kind.REASONING),
    ):
        parts = {data["part_id"] for data in sink.data(delta)}
        assert parts == {data["part_id"] for data in sink.data(whole)}
    assert end.usage is not None
    assert end.usage.cost_usd
    assert end.usage == Usage(
        input_tokens=2 * INPUT_TOKENS,
        output_tokens=2 * OUTPUT_TOKENS,
        cost_usd=end.usage.cost_usd,
    )
    assert sink.data(Kind.USAGE) == [
        {
            "input_tokens": 2 * INPUT_TOKENS,
            "output_tokens": 2 * OUTPUT_TOKENS,
            "cost_usd": end.usage.cost_usd,
        }
    ]


async def test_cost_and_tokens_are_those_of_each_turn(claude_code: ClaudeCodeRig) -> None:
    """The CLI tells totals of the session; the second turn must not be billed the first again."""
    async with started(claude_code.make_with()) as backend:
        first = await backend.prompt(HELLO, RecordingSink())
        second = await backend.prompt(HELLO, RecordingSink())
    assert first.usage == second.usage


async def test_a_subagent_is_told_apart(claude_code: ClaudeCodeRig, sink: RecordingSink) -> None:
    """Its events are marked with the call that started it; its end is not the turn's."""
    task = {"description": "sub", "prompt": "Do the sub job.", "subagent_type": "general-purpose"}
    message = claude_code.script(Call("Task", task), Say("Sub result."), Say("All done."))
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert end.outcome is Outcome.COMPLETED
    assert end.usage is not None
    assert end.usage.input_tokens == 3 * INPUT_TOKENS
    by_whom = {data["text"]: data.get("subagent") for data in sink.data(Kind.TEXT)}
    (call,) = [data for data in sink.data(Kind.TOOL_STARTED) if data["tool"] == "Task"]
    assert by_whom["All done."] is None
    assert {whom for whom in by_whom.values() if whom} <= {call["call_id"]}


async def test_a_session_is_resumed_by_the_next_runtime(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """Another process with the old session's id goes on with that conversation."""
    async with started(claude_code.make_with()) as backend:
        await backend.prompt(Message("My number is 4711."), sink)
    async with started(claude_code.make_with(session_id=sink.sessions[0])) as backend:
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in claude_code.model.heard()
    assert len(set(sink.sessions)) == 1


async def test_a_session_outlives_a_killed_cli(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """Killed in the middle of a turn, it is started anew and still knows what was said."""
    backend = claude_code.make_with()
    await backend.start()
    await backend.prompt(Message("My number is 4711."), sink)
    prompt = asyncio.create_task(backend.prompt(Message(claude_code.stall("thinking")), sink))
    await sink.until_said("thinking")
    (group,) = claude_code.place.groups
    os.kill(group.pgid, signal.SIGKILL)
    with pytest.raises(BackendCrashed):
        await asyncio.wait_for(prompt, 10)
    async with started(backend):
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in claude_code.model.heard()
    assert len(set(sink.sessions)) == 1


async def test_a_session_that_is_gone_is_replaced(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """A session the CLI does not know any more must not make the agent unusable."""
    gone = "00000000-0000-4000-8000-000000000000"
    async with started(claude_code.make_with(session_id=gone)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.sessions[0] not in ("", gone)


async def test_a_model_error_fails_the_turn(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """The CLI calls it a success with is_error; the final says what was wrong."""
    claude_code.model.repeat = Fail(400, "the prompt is too strange")
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(HELLO, sink)
        claude_code.model.repeat = None
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "the prompt is too strange" in end.message
    assert not sink.data(Kind.TEXT)
    assert "error" in [data["status"] for data in sink.data(Kind.STATUS)]
    assert again.outcome is Outcome.COMPLETED


async def test_garbage_from_the_model_is_no_end(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """Whether the CLI gets over it or not, the turn ends and the next one works."""
    message = claude_code.script(Garbage(), Say("better"))
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
        again = await backend.prompt(HELLO, RecordingSink())
    assert end.outcome in (Outcome.COMPLETED, Outcome.FAILED)
    assert again.outcome is Outcome.COMPLETED


async def test_endless_retries_can_be_interrupted(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """A model that always fails is told as status, and an interrupt ends the trying."""
    claude_code.model.repeat = Fail(500)
    async with started(claude_code.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(HELLO, sink))
        await sink.until(
            lambda: any(data.get("status") == "retry" for data in sink.data(Kind.STATUS))
        )
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 5)
        claude_code.model.repeat = None
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)


async def test_another_model_answers_the_next_prompt(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """In the same session, also when it was chosen while no process ran."""
    backend = claude_code.make_with()
    await backend.set_model("claude-opus-4-5")
    async with started(backend):
        await backend.prompt(HELLO, sink)
        await backend.set_model("claude-haiku-4-5")
        await backend.prompt(HELLO, sink)
    asked = [request["model"] for request in claude_code.model.requests]
    assert asked == ["claude-opus-4-5", "claude-haiku-4-5"]
    assert len(set(sink.sessions)) == 1


async def test_an_interrupt_ends_running_commands(claude_code: ClaudeCodeRig) -> None:
    """Also those in a session of their own: nothing of them works on while the user waits."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    pid_file = claude_code.place.workspace / "pid"
    command = f"setsid sleep 600 & echo $! > {pid_file}; sleep 600"
    message = claude_code.script(Call("Bash", {"command": command, "description": "sleep"}))
    async with started(claude_code.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        async with asyncio.timeout(30):  # a shell tells nobody that it has begun
            while not pid_file.exists():
                await asyncio.sleep(0.02)
        (group,) = claude_code.place.groups
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        assert {found.pid for found in members(group)} == {group.pgid}
    assert end.outcome is Outcome.INTERRUPTED


async def test_it_knows_its_own_provider_only(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """The user's home stays as it was; sessions and settings are in the agent's folder."""
    message = claude_code.script(Stall("thinking"))
    async with started(claude_code.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until_said("thinking")
        await backend.interrupt()
        await prompt
    assert list(claude_code.place.users_home.iterdir()) == []
    assert claude_code.model.headers[0]["x-api-key"] == "not-a-key"
