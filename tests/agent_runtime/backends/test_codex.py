"""The real Codex against the stub model: what the contract suite does not cover."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.asks import (
    Decision,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendCrashed
from agent_runtime.model import Code, Kind, Outcome, Usage
from agent_runtime.process_table import members
from tests.agent_runtime.backends.rigs import CodexRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.stub_model import (
    INPUT_TOKENS,
    KEY,
    OUTPUT_TOKENS,
    Call,
    Fail,
    Garbage,
    Say,
    StubModel,
)

HELLO = Message("Hello.")


@asynccontextmanager
async def started(backend: CodexBackend) -> AsyncIterator[CodexBackend]:
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()


def said_to(model: StubModel) -> str:
    """All that the last call told the model, as JSON text."""
    return msgspec.json.encode(model.requests[-1]["input"]).decode()


def run(command: str) -> Call:
    return Call("exec_command", {"cmd": command, "yield_time_ms": 30_000})


def write(name: str, text: str = "hi", *, say: str = "") -> Call:
    patch = f"*** Begin Patch\n*** Add File: {name}\n+{text}\n*** End Patch"
    return Call("exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}\nEOF\n"}, text=say)


def finished(sink: RecordingSink, tool: str) -> dict[str, Any]:
    (data,) = [data for data in sink.data(Kind.TOOL_FINISHED) if data["tool"] == tool]
    return data


async def test_an_edit_is_allowed_and_told(codex: CodexRig, sink: RecordingSink) -> None:
    """acceptEdits lets the agent write; call, permission, usage and thoughts are told.

    A part has one id in its deltas and when it is complete. The usage of the turn is that
    of all its model calls.
    """
    message = codex.script(
        write("hello.txt", say="I write."), Say("Written.", think="That was easy.")
    )
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    path = codex.place.workspace / "hello.txt"
    assert path.read_text() == "hi\n"
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "I write.Written.")
    (call,) = sink.data(Kind.TOOL_STARTED)
    assert (call["tool"], call["input"]["changes"][0]["path"]) == ("fileChange", str(path))
    done = finished(sink, "fileChange")
    assert (done["call_id"], done["status"]) == (call["call_id"], "completed")
    (asked,) = sink.data(Kind.PERMISSION_ASKED)
    (answered,) = sink.data(Kind.PERMISSION_ANSWERED)
    assert (asked["tool"], answered["decision"]) == ("fileChange", "once")
    assert asked["input"] == call["input"]
    assert asked["prompt_id"] == answered["prompt_id"]
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["I write.", "Written."]
    assert [data["text"] for data in sink.data(Kind.REASONING)] == ["That was easy."]
    for delta, whole in (
        (Kind.TEXT_DELTA, Kind.TEXT),
        (Kind.REASONING_DELTA, Kind.REASONING),
    ):
        parts = {data["part_id"] for data in sink.data(delta)}
        assert parts == {data["part_id"] for data in sink.data(whole)}
    assert len(sink.data(Kind.USAGE)) == 2
    assert end.usage == Usage(input_tokens=2 * INPUT_TOKENS, output_tokens=2 * OUTPUT_TOKENS)


async def test_what_the_mode_does_not_allow_is_refused(
    codex: CodexRig, sink: RecordingSink
) -> None:
    """A refused command does not run, the model learns of it, the turn goes on to its end."""
    message = codex.script(run("touch trace"), Say("Done."))
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "Done.")
    assert not (codex.place.workspace / "trace").exists()
    done = finished(sink, "commandExecution")
    assert (done["status"], done["error"]) == ("error", "declined")
    assert "rejected" in said_to(codex.model)


@pytest.mark.parametrize("name", ["../out.txt", "link/out.txt", ".git/hooks/pre-commit"])
async def test_edits_are_of_mere_files_in_the_workspace(
    codex: CodexRig, sink: RecordingSink, name: str
) -> None:
    """acceptEdits is for those: not for what lies outside, by a link neither, or is run."""
    workspace = codex.place.workspace
    (workspace / "link").symlink_to(workspace.parent)
    message = codex.script(write(name), Say("Done."))
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

        async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
            self.asked.append(ask)
            await self.both.wait()
            return PermissionAnswer(decision=Decision.ONCE)

    sink = Deferring()
    both = Call("exec_command", {"cmd": "touch trace"}, also=(write("a.txt"),))
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

    class Always(RecordingSink):
        async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
            self.asked.append(ask)
            return PermissionAnswer(decision=Decision.ALWAYS)

    sink = Always()
    message = codex.script(run("touch trace"), run("touch trace"), Say("Done."))
    async with started(codex.make_with()) as backend:
        await backend.prompt(Message(message), sink)
    assert len(sink.asked) == 1
    assert sink.data(Kind.PERMISSION_ANSWERED)[0]["decision"] == "always"
    assert [data["status"] for data in sink.data(Kind.TOOL_FINISHED)] == ["completed"] * 2


async def test_a_question_is_answered(codex: CodexRig) -> None:
    """What is chosen reaches the model; the list of what to do is an event of its own."""

    class Choosing(RecordingSink):
        async def question(self, ask: QuestionAsk) -> QuestionAnswer:
            self.asked.append(ask)
            return QuestionAnswer((("B",),))

    sink = Choosing()
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


async def test_a_session_is_resumed_by_the_next_runtime(
    codex: CodexRig, sink: RecordingSink
) -> None:
    """Another process with the old session's id goes on with that conversation."""
    async with started(codex.make_with()) as backend:
        await backend.prompt(Message("My number is 4711."), sink)
    async with started(codex.make_with(session_id=sink.sessions[0])) as backend:
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert end.usage == Usage(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS)
    assert "4711" in said_to(codex.model)
    assert len(set(sink.sessions)) == 1


async def test_a_session_outlives_a_killed_cli(codex: CodexRig, sink: RecordingSink) -> None:
    """Killed in the middle of a turn, it is started anew and still knows what was said."""
    backend = codex.make_with()
    await backend.start()
    await backend.prompt(Message("My number is 4711."), sink)
    prompt = asyncio.create_task(backend.prompt(Message(codex.stall("thinking")), sink))
    await sink.until_said("thinking")
    (group,) = codex.place.groups
    os.kill(group.pgid, signal.SIGKILL)
    with pytest.raises(BackendCrashed):
        await asyncio.wait_for(prompt, 10)
    async with started(backend):
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in said_to(codex.model)
    assert len(set(sink.sessions)) == 1


async def test_a_session_that_is_gone_is_replaced(codex: CodexRig, sink: RecordingSink) -> None:
    """A session the CLI does not know any more must not make the agent unusable."""
    gone = "01a1fa02-47d2-7b33-ac84-c0c530d1ead2"
    async with started(codex.make_with(session_id=gone)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.sessions[0] not in ("", gone)


@pytest.mark.parametrize("failure", [Fail(400, "the prompt is too strange"), Fail(500), Garbage()])
async def test_a_model_error_fails_the_turn(
    codex: CodexRig, sink: RecordingSink, failure: Fail | Garbage
) -> None:
    """The final says what was wrong, in words; the CLI works on afterwards."""
    codex.model.repeat = failure
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(HELLO, sink)
        codex.model.repeat = None
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert end.message
    assert "{" not in end.message
    if isinstance(failure, Fail) and failure.status == 400:
        assert end.message == failure.message
    assert "error" in [data["status"] for data in sink.data(Kind.STATUS)]
    assert again.outcome is Outcome.COMPLETED


async def test_another_model_answers_the_next_prompt(codex: CodexRig, sink: RecordingSink) -> None:
    """In the same session, also when it was chosen while no process ran."""
    backend = codex.make_with()
    await backend.set_model("one")
    async with started(backend):
        await backend.prompt(HELLO, sink)
        await backend.set_model("another")
        await backend.prompt(HELLO, sink)
    assert [request["model"] for request in codex.model.requests] == ["one", "another"]
    assert len(set(sink.sessions)) == 1


async def test_an_interrupt_withdraws_what_is_asked(codex: CodexRig) -> None:
    """Nothing waits for an answer any more, and what was asked for is not done."""

    class Patient(RecordingSink):
        async def permission(self, ask: PermissionAsk) -> PermissionAnswer:
            self.asked.append(ask)
            await asyncio.Event().wait()
            raise AssertionError

    sink = Patient()
    message = codex.script(run("touch trace"))
    async with started(codex.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until(lambda: bool(sink.of(Kind.PERMISSION_ASKED)))
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)
    assert not (codex.place.workspace / "trace").exists()


async def test_an_interrupt_ends_running_commands(codex: CodexRig) -> None:
    """The CLI lets them run on; nothing of them works on while the user waits."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    pid_file = codex.place.workspace / "pid"
    command = f"setsid sleep 600 & echo $! > {pid_file}; sleep 600"
    message = codex.script(run(command))
    async with started(codex.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        async with asyncio.timeout(30):  # a shell tells nobody that it has begun
            while not pid_file.exists():
                await asyncio.sleep(0.02)
        (group,) = codex.place.groups
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        assert {found.pid for found in members(group)} == {group.pgid}
    assert end.outcome is Outcome.INTERRUPTED


async def test_it_leaves_the_users_home_alone(codex: CodexRig, sink: RecordingSink) -> None:
    """Sessions are in the agent's folder; of the user's there is only read."""
    folder = codex.place.users_home / ".codex"
    (folder / "auth.json").write_text('{"OPENAI_API_KEY": null}')
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    async with started(codex.make_with()) as backend:
        await backend.prompt(HELLO, sink)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in codex.place.users_home.iterdir()] == [".codex"]
    assert (codex.place.home / "codex" / "auth.json").is_symlink()
    assert codex.model.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_a_key_in_the_environment_will_do(codex: CodexRig, sink: RecordingSink) -> None:
    """Without a login or configuration of the user, which the CLI wants by itself."""
    (codex.place.users_home / ".codex" / "config.toml").unlink()
    env = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": codex.model.url}
    options = {"FORGE_CODEX_BIN": str(codex.binary)}
    context = codex.place.context(options=options, env=env, model="stub-model")
    backend = CodexBackend.create(context)
    async with started(backend):
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert codex.model.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in "".join(
        path.read_text(errors="replace")
        for path in codex.place.home.rglob("*")
        if path.is_file() and path.suffix in (".json", ".toml")
    )


async def test_a_running_turn_is_steered(codex: CodexRig, sink: RecordingSink) -> None:
    """The model hears of it in the same turn; without a turn there is nothing to steer."""
    message = codex.script(Say("I look. " * 40, pause_s=0.05), Say("Steered."))
    async with started(codex.make_with()) as backend:
        assert not await backend.steer(HELLO)
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until_said("I look.")
        taken = await backend.steer(Message("Look at 4711."))
        end = await asyncio.wait_for(prompt, 20)
        assert not await backend.steer(HELLO)
    assert taken
    assert end.outcome is Outcome.COMPLETED
    assert sink.said.endswith("Steered.")
    assert "4711" in said_to(codex.model)
