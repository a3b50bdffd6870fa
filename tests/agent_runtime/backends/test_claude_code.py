"""The real Claude Code against the stub model: what the contract suite does not cover."""

import asyncio

from agent_runtime.backends.message import Message
from agent_runtime.model import Kind, Outcome, Usage
from tests.agent_runtime.backends.rigs import ClaudeCodeRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Call,
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
