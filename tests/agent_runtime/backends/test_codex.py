"""The real Codex against the stub model: what the contract suite does not cover."""

import asyncio
from dataclasses import replace

import pytest

from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.message import Message
from agent_runtime.errors import BackendCrashed
from agent_runtime.model import Code, Kind, Outcome, Usage
from tests.agent_runtime.backends.rigs import CodexRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    INPUT_TOKENS,
    KEY,
    OUTPUT_TOKENS,
    Fail,
    Garbage,
    Say,
)

HELLO = Message("Hello.")


async def test_an_edit_is_allowed_and_told(codex: CodexRig, sink: RecordingSink) -> None:
    """acceptEdits lets the agent write; call, permission, usage and thoughts are told.

    A part has one id in its deltas and when it is complete. The usage of the turn is that
    of all its model calls.
    """
    message = codex.script(
        replace(codex.write("hello.txt", "hi"), text="I write."),
        Say("Written.", think="That was easy."),
    )
    async with started(codex.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    path = codex.place.workspace / "hello.txt"
    assert path.read_text() == "hi\n"
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "I write.Written.")
    (call,) = sink.data(Kind.TOOL_STARTED)
    assert (call["tool"], call["input"]["changes"][0]["path"]) == ("fileChange", str(path))
    done = sink.finished("fileChange")
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


async def test_a_fork_that_fails_is_no_empty_session(codex: CodexRig, sink: RecordingSink) -> None:
    """What was said is not given up without a word."""
    async with started(codex.make_with()) as backend:
        await backend.prompt(HELLO, sink)
        for kept in codex.place.home.rglob("rollout-*.jsonl"):
            kept.unlink()
        with pytest.raises(BackendCrashed, match="codex refuses thread/fork: "):
            await backend.new_session(fork=True)


@pytest.mark.parametrize("failure", [Fail(500), Garbage()])
async def test_a_model_that_is_given_up_fails_the_turn(
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
    assert "error" in [data["status"] for data in sink.data(Kind.STATUS)]
    assert again.outcome is Outcome.COMPLETED


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
    assert "4711" in codex.model.heard()
