"""Permissions and questions of the real Claude Code."""

import asyncio

import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.model import Kind, Outcome
from tests.agent_runtime.backends.rigs import ClaudeCodeRig
from tests.agent_runtime.backends.sink import AlwaysSink, ChoosingSink, PatientSink, RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    Call,
    Say,
)

HELLO = Message("Hello.")


async def test_what_the_mode_does_not_allow_is_refused(
    claude_code: ClaudeCodeRig, sink: RecordingSink
) -> None:
    """A refused tool does not run, the model is told why, and the turn goes on to its end."""
    trace = claude_code.place.workspace / "trace"
    message = claude_code.call("Bash", command=f"touch {trace}", description="touch")
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "Done.")
    assert not trace.exists()
    assert "Nobody answered in time" in sink.finished("Bash")["error"]
    assert "Nobody answered in time" in claude_code.model.heard()


async def test_bypass_allows_all_whoever_runs_it(
    claude_code: ClaudeCodeRig,
) -> None:
    """The CLI's own bypassing mode is refused to root; answering its questions is not."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    trace = claude_code.place.workspace / "trace"
    message = claude_code.call("Bash", command=f"touch {trace}", description="touch")
    async with started(claude_code.make_with(permission_mode="bypassPermissions")) as backend:
        end = await backend.prompt(Message(message), sink)
    assert (end.outcome, trace.exists()) == (Outcome.COMPLETED, True)


@pytest.mark.parametrize("name", ["../out.txt", "link/out.txt", ".git/hooks/pre-commit"])
async def test_edits_are_of_mere_files_in_the_workspace(
    claude_code: ClaudeCodeRig, sink: RecordingSink, name: str
) -> None:
    """acceptEdits is for those: not for what lies outside, by a link neither, or is run."""
    workspace = claude_code.place.workspace
    (workspace / "link").symlink_to(workspace.parent)
    path = workspace / name
    message = claude_code.call("Write", file_path=str(path), content="x")
    async with started(claude_code.make_with()) as backend:
        await backend.prompt(Message(message), sink)
    assert not path.exists()
    assert sink.finished("Write")["status"] == "error"


async def test_what_is_always_allowed_is_not_asked_again(claude_code: ClaudeCodeRig) -> None:
    """For this session, and in no file of the workspace."""

    sink, command = AlwaysSink(), {"command": "touch trace", "description": "touch"}
    message = claude_code.script(Call("Bash", command), Call("Bash", command), Say("Done."))
    async with started(claude_code.make_with()) as backend:
        await backend.prompt(Message(message), sink)
    assert len(sink.asked) == 1
    assert sink.data(Kind.PERMISSION_ANSWERED)[0]["decision"] == "always"
    assert [data["status"] for data in sink.data(Kind.TOOL_FINISHED)] == ["completed"] * 2
    assert [path.name for path in claude_code.place.workspace.iterdir()] == ["trace"]


async def test_a_question_is_answered(claude_code: ClaudeCodeRig) -> None:
    """What is chosen reaches the model; several labels as well."""

    sink = ChoosingSink(("B",), ("C", "D"))
    options = [{"label": name, "description": name.lower()} for name in "AB"]
    several = [{"label": name, "description": name.lower()} for name in "CD"]
    questions = [
        {"question": "Which?", "header": "One", "options": options, "multiSelect": False},
        {"question": "Which ones?", "header": "Some", "options": several, "multiSelect": True},
    ]
    message = claude_code.call("AskUserQuestion", questions=questions)
    async with started(claude_code.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert end.outcome is Outcome.COMPLETED
    (asked,) = sink.data(Kind.QUESTION_ASKED)
    assert [question["question"] for question in asked["questions"]] == ["Which?", "Which ones?"]
    assert [question["multiple"] for question in asked["questions"]] == [False, True]
    (answered,) = sink.data(Kind.QUESTION_ANSWERED)
    assert answered == {"prompt_id": asked["prompt_id"], "answers": [["B"], ["C", "D"]]}
    assert "C, D" in claude_code.model.heard()


async def test_an_interrupt_withdraws_what_is_asked(claude_code: ClaudeCodeRig) -> None:
    """Nothing waits for an answer any more, and what was asked for is not done."""

    sink, trace = PatientSink(), claude_code.place.workspace / "trace"
    message = claude_code.script(Call("Bash", {"command": f"touch {trace}", "description": "t"}))
    async with started(claude_code.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until(lambda: bool(sink.of(Kind.PERMISSION_ASKED)))
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)
    assert not trace.exists()
