"""The contract of every backend whose CLI has a model and a session: with the real CLIs."""

import asyncio
import os
import signal

import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendCrashed
from agent_runtime.model import Code, Kind, Outcome
from agent_runtime.process_table import members
from tests.agent_runtime.backends.rigs import ModelRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import Fail, Garbage, Say

HELLO = Message("Hello.")
NUMBER = Message("My number is 4711.")


async def test_a_session_is_resumed_by_the_next_runtime(
    model_rig: ModelRig, sink: RecordingSink
) -> None:
    """Another process with the old session's id goes on with that conversation."""
    async with started(model_rig.make()) as backend:
        await backend.prompt(NUMBER, sink)
    async with started(model_rig.make_with(session_id=sink.sessions[0])) as backend:
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in model_rig.model.heard()
    assert len(set(sink.sessions)) == 1


async def test_a_session_outlives_a_killed_cli(model_rig: ModelRig, sink: RecordingSink) -> None:
    """Killed in the middle of a turn, it is started anew and still knows what was said."""
    backend = model_rig.make()
    await backend.start()
    await backend.prompt(NUMBER, sink)
    prompt = asyncio.create_task(backend.prompt(Message(model_rig.stall("thinking")), sink))
    await sink.until_said("thinking")
    (group,) = model_rig.place.groups
    os.kill(group.pgid, signal.SIGKILL)
    with pytest.raises(BackendCrashed):
        await asyncio.wait_for(prompt, 10)
    async with started(backend):
        end = await backend.prompt(Message("Which number?"), sink)
    assert end.outcome is Outcome.COMPLETED
    assert "4711" in model_rig.model.heard()
    assert len(set(sink.sessions)) == 1


async def test_a_session_that_is_gone_is_replaced(model_rig: ModelRig, sink: RecordingSink) -> None:
    """A session the CLI does not know any more must not make the agent unusable."""
    async with started(model_rig.make_with(session_id=model_rig.gone)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.sessions[0] not in ("", model_rig.gone)


async def test_a_model_error_fails_the_turn(model_rig: ModelRig, sink: RecordingSink) -> None:
    """The final says what was wrong, in words, and nothing of models; the CLI works on."""
    model_rig.model.repeat = Fail(400, "the prompt is too strange")
    async with started(model_rig.make()) as backend:
        end = await backend.prompt(HELLO, sink)
        model_rig.model.repeat = None
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "the prompt is too strange" in end.message
    assert "{" not in end.message
    assert "known are" not in end.message
    assert not sink.data(Kind.TEXT)
    assert again.outcome is Outcome.COMPLETED


async def test_garbage_from_the_model_is_no_end(model_rig: ModelRig, sink: RecordingSink) -> None:
    """Whether the CLI gets over it or not, the turn ends and the next one works."""
    message = model_rig.script(Garbage(), Say("better"))
    async with started(model_rig.make()) as backend:
        end = await backend.prompt(Message(message), sink)
        again = await backend.prompt(HELLO, RecordingSink())
    assert end.outcome in (Outcome.COMPLETED, Outcome.FAILED)
    assert again.outcome is Outcome.COMPLETED


@pytest.mark.parametrize("model_rig", ["claude_code", "opencode"], indirect=True)
async def test_endless_retries_can_be_interrupted(model_rig: ModelRig, sink: RecordingSink) -> None:
    """A model that always fails is told as status, and an interrupt ends the trying.

    Codex gives up by itself; ACP does not tell.
    """
    model_rig.model.repeat = Fail(500)
    async with started(model_rig.make()) as backend:
        prompt = asyncio.create_task(backend.prompt(HELLO, sink))
        await sink.until(
            lambda: any(data.get("status") == "retry" for data in sink.data(Kind.STATUS))
        )
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 5)
        model_rig.model.repeat = None
        again = await backend.prompt(HELLO, RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)


async def test_another_model_answers_the_next_prompt(
    model_rig: ModelRig, sink: RecordingSink
) -> None:
    """In the same session, also when it was chosen while no process ran."""
    chosen = [model_rig.other_model, model_rig.third_model]
    backend = model_rig.make()
    await backend.set_model(chosen[0])
    async with started(backend):
        await backend.prompt(HELLO, sink)
        await backend.set_model(chosen[1])
        await backend.prompt(HELLO, sink)
    asked = [request["model"] for request in model_rig.model.requests]
    assert asked == [name.rpartition("/")[2] for name in chosen]
    assert len(set(sink.sessions)) == 1


async def test_an_interrupt_ends_running_commands(model_rig: ModelRig) -> None:
    """Also those in a session of their own: nothing of them works on while the user waits."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    pid_file = model_rig.place.workspace / "pid"
    command = f"setsid sleep 600 & echo $! > {pid_file}; sleep 600"
    message = model_rig.script(model_rig.run(command))
    async with started(model_rig.make()) as backend:
        (group,) = model_rig.place.groups
        before = {found.pid for found in members(group)}
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        async with asyncio.timeout(30):  # a shell tells nobody that it has begun
            while not pid_file.exists():
                await asyncio.sleep(0.02)
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
        assert {found.pid for found in members(group)} <= before
    assert end.outcome is Outcome.INTERRUPTED
