"""Permissions and questions of the real Codex."""

import asyncio

import msgspec
import pytest

from agent_runtime.backends.asks import (
    Decision,
    PermissionAnswer,
    PermissionAsk,
)
from agent_runtime.backends.message import Message
from agent_runtime.model import Kind, Outcome
from tests.agent_runtime.backends.rigs import CodexRig
from tests.agent_runtime.backends.sink import AlwaysSink, ChoosingSink, PatientSink, RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    Call,
    Say,
)

HELLO = Message("Hello.")


async def test_what_the_mode_does_not_allow_is_refused(
    codex: CodexRig, sink: RecordingSink
) -> None:
    """A refused command does not run, the model learns why, the turn goes on to its end."""
    message = codex.script(codex.run("touch trace"), Say("Done."))
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "Done.")
    assert not (codex.place.workspace / "trace").exists()
    done = sink.finished("commandExecution")
    assert (done["status"], done["error"]) == ("error", "declined")
    assert "rejected" in codex.model.heard()
    assert "commandExecution is refused: Nobody answered in time" in codex.model.heard()
    assert len(codex.model.requests) == 2


@pytest.mark.parametrize("name", ["../out.txt", "link/out.txt", ".git/hooks/pre-commit"])
async def test_edits_are_of_mere_files_in_the_workspace(
    codex: CodexRig, sink: RecordingSink, name: str
) -> None:
    """acceptEdits is for those: not for what lies outside, by a link neither, or is run."""
    workspace = codex.place.workspace
    (workspace / "link").symlink_to(workspace.parent)
    message = codex.script(codex.write(name, "hi"), Say("Done."))
    async with started(codex.make_with()) as backend:
        await backend.prompt(Message(message), sink)
    assert not (workspace / name).exists()
    assert sink.data(Kind.PERMISSION_ANSWERED)[0]["decision"] == "reject"


async def test_several_permissions_are_open_at_once(codex: CodexRig) -> None:
    """They are answered in any order, and what the CLI says meanwhile is not held up."""

    class Deferring(RecordingSink):
        def __init__(self) -> None:
            super().__init__()
            self.both = asyncio.Barrier(2)

        async def decide(self, _: PermissionAsk) -> PermissionAnswer:
            await self.both.wait()
            return PermissionAnswer(decision=Decision.ONCE)

    sink = Deferring()
    both = Call("exec_command", {"cmd": "touch trace"}, also=(codex.write("a.txt", "hi"),))
    message = codex.script(both, Say("Done."))
    async with started(codex.make_with()) as backend:
        end = await asyncio.wait_for(backend.prompt(Message(message), sink), 30)
    assert end.outcome is Outcome.COMPLETED
    assert {path.name for path in codex.place.workspace.iterdir()} == {"trace", "a.txt"}
    ids = {data["prompt_id"] for data in sink.data(Kind.PERMISSION_ASKED)}
    assert ids == {data["prompt_id"] for data in sink.data(Kind.PERMISSION_ANSWERED)}
    assert len(ids) == 2


async def test_what_is_always_allowed_is_not_asked_again(codex: CodexRig) -> None:
    """For this session."""

    sink = AlwaysSink()
    message = codex.script(codex.run("touch trace"), codex.run("touch trace"), Say("Done."))
    async with started(codex.make_with()) as backend:
        await backend.prompt(Message(message), sink)
    assert len(sink.asked) == 1
    assert sink.data(Kind.PERMISSION_ANSWERED)[0]["decision"] == "always"
    assert [data["status"] for data in sink.data(Kind.TOOL_FINISHED)] == ["completed"] * 2


async def test_a_question_is_answered(codex: CodexRig) -> None:
    """What is chosen reaches the model; the list of what to do is an event of its own."""

    sink = ChoosingSink(("B",))
    options = [{"label": name, "description": name.lower()} for name in "AB"]
    question = {"id": "q1", "header": "Pick", "question": "Which?", "options": options}
    message = codex.script(
        Call("request_user_input", {"questions": [question]}),
        Call("update_plan", {"plan": [{"step": "do it", "status": "in_progress"}]}),
        Say("Done."),
    )
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert end.outcome is Outcome.COMPLETED
    (asked,) = sink.data(Kind.QUESTION_ASKED)
    assert asked["questions"][0]["question"] == "Which?"
    (answered,) = sink.data(Kind.QUESTION_ANSWERED)
    assert answered == {"prompt_id": asked["prompt_id"], "answers": [["B"]]}
    outputs = [
        item["output"]
        for item in codex.model.requests[1]["input"]
        if item["type"] == "function_call_output"
    ]
    assert msgspec.json.decode(outputs[0]) == {"answers": {"q1": {"answers": ["B"]}}}


async def test_an_interrupt_withdraws_what_is_asked(codex: CodexRig) -> None:
    """Nothing waits for an answer any more, and what was asked for is not done."""

    sink = PatientSink()
    message = codex.script(codex.run("touch trace"))
    async with started(codex.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until(lambda: bool(sink.of(Kind.PERMISSION_ASKED)))
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)
    assert not (codex.place.workspace / "trace").exists()
