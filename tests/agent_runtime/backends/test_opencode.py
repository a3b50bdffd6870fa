"""The real opencode against the stub model: what the contract suite does not cover."""

import asyncio
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendUnusable, Invalid
from agent_runtime.model import Code, Kind, Outcome, Usage
from agent_runtime.process_table import members
from tests.agent_runtime.backends.rigs import OpenCodeRig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started
from tests.peers.stub_model import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Call,
    Say,
    StubModel,
)


def said_to(model: StubModel) -> str:
    """All that the last call told the model, as JSON text."""
    return msgspec.json.encode(model.requests[-1]["messages"]).decode()


def finished(sink: RecordingSink, tool: str) -> dict[str, Any]:
    (data,) = [data for data in sink.data(Kind.TOOL_FINISHED) if data["tool"] == tool]
    return data


async def test_an_edit_is_allowed_and_told(opencode: OpenCodeRig, sink: RecordingSink) -> None:
    """acceptEdits lets the agent write; call, permission, file, usage and thoughts are told.

    The usage of the turn is that of all its model calls, with cached and reasoning
    tokens. Housekeeping of the CLI is not told, and nothing is left in its TMPDIR.
    """
    path = opencode.place.workspace / "hello.txt"
    message = opencode.script(
        Call("write", {"filePath": str(path), "content": "hi\n"}, text="I write."),
        Say("Written.", think="That was easy."),
    )
    async with started(opencode.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert path.read_text() == "hi\n"
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "I write.Written.")
    (call,) = sink.data(Kind.TOOL_STARTED)
    assert (call["tool"], call["input"]["content"]) == ("write", "hi\n")
    done = finished(sink, "write")
    assert (done["call_id"], done["status"]) == (call["call_id"], "completed")
    assert done["output"]
    (asked,) = sink.data(Kind.PERMISSION_ASKED)
    (answered,) = sink.data(Kind.PERMISSION_ANSWERED)
    assert (asked["tool"], answered["decision"]) == ("edit", "once")
    assert asked["prompt_id"] == answered["prompt_id"]
    assert sink.data(Kind.FILE_CHANGED) == [{"file": str(path)}]
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["I write.", "Written."]
    assert [data["text"] for data in sink.data(Kind.REASONING)] == ["That was easy."]
    assert sink.of(Kind.REASONING_DELTA)
    assert len(sink.data(Kind.USAGE)) == 2
    assert end.usage is not None
    cost = end.usage.cost_usd
    assert cost is not None
    assert cost > 0
    assert end.usage == Usage(
        input_tokens=2 * INPUT_TOKENS, output_tokens=2 * OUTPUT_TOKENS, cost_usd=cost
    )
    types = {event.event_type for event in sink.events}
    assert "session.idle" in types
    assert not [name for name in types if name.startswith(("server.", "plugin.", "catalog."))]
    assert not (opencode.place.home / "tmp").exists()


async def test_what_the_mode_does_not_allow_is_refused(
    opencode: OpenCodeRig, sink: RecordingSink
) -> None:
    """A refused tool does not run, the model is told why, and the turn goes on to its end."""
    trace = opencode.place.workspace / "trace"
    message = opencode.call("bash", command=f"touch {trace}", description="touch")
    async with started(opencode.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "Done.")
    assert not trace.exists()
    assert "Nobody answered in time" in finished(sink, "bash")["error"]
    assert "Nobody answered in time" in said_to(opencode.model)


async def test_the_mode_may_change_between_prompts(
    opencode: OpenCodeRig, sink: RecordingSink
) -> None:
    """What the CLI was allowed once it asks for again."""
    trace, path = opencode.place.workspace / "trace", opencode.place.workspace / "a.txt"
    async with started(opencode.make_with()) as backend:
        sink.mode = PermissionMode.BYPASS
        message = opencode.call("bash", command=f"touch {trace}", description="touch")
        await backend.prompt(Message(message), sink)
        refused = RecordingSink(mode=PermissionMode.DEFAULT)
        message = opencode.call("write", filePath=str(path), content="a")
        await backend.prompt(Message(message), refused)
    assert trace.exists()
    assert finished(sink, "bash")["status"] == "completed"
    assert not path.exists()
    assert finished(refused, "write")["status"] == "error"


async def test_a_question_does_not_hold_the_turn(
    opencode: OpenCodeRig, sink: RecordingSink
) -> None:
    """As long as nobody can answer, the model is told so and decides itself.

    Its list of what to do is an event of its own.
    """
    todo = {"content": "do it", "status": "pending", "priority": "high", "id": "1"}
    options = [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}]
    question = {"question": "Which?", "header": "Pick", "options": options}
    message = opencode.script(
        Call("question", {"questions": [question]}),
        Call("todowrite", {"todos": [todo]}),
        Say("Done."),
    )
    async with started(opencode.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert end.outcome is Outcome.COMPLETED
    (asked,) = sink.data(Kind.QUESTION_ASKED)
    assert asked["questions"][0]["question"] == "Which?"
    (answered,) = sink.data(Kind.QUESTION_ANSWERED)
    assert answered["prompt_id"] == asked["prompt_id"]
    assert "Nobody can answer" in said_to(opencode.model)
    (list_,) = sink.data(Kind.TODO_UPDATED)
    assert list_["todos"][0]["content"] == "do it"


async def test_a_subagent_is_told_apart(opencode: OpenCodeRig, sink: RecordingSink) -> None:
    """Its events are marked with its session, and its end is not the turn's."""
    task = {"description": "sub", "prompt": "Do the sub job.", "subagent_type": "general"}
    message = opencode.script(Call("task", task), Say("Sub result."), Say("All done."))
    async with started(opencode.make_with()) as backend:
        end = await backend.prompt(Message(message), sink)
    assert end.outcome is Outcome.COMPLETED
    by_whom = {data["text"]: data.get("subagent") for data in sink.data(Kind.TEXT)}
    assert by_whom.keys() == {"Sub result.", "All done."}
    assert by_whom["All done."] is None
    assert by_whom["Sub result."] not in (None, sink.sessions[0])
    idle = [event.event_type for event in sink.events].count("session.idle")
    assert idle == 2


async def test_an_unknown_model_fails_the_turn(opencode: OpenCodeRig, sink: RecordingSink) -> None:
    """The final says what was wrong; the error itself is an ordinary event before it.

    Once the CLI has told its models, one that is none of them is refused at once.
    """
    async with started(opencode.make_with(model="stub/nope")) as backend:
        with pytest.raises(Invalid, match="stub/nope"):
            await backend.set_model("stub/nope")
        end = await backend.prompt(Message("Hello."), sink)
        await backend.set_model("stub/stub-model")
        again = await backend.prompt(Message("Hello."), RecordingSink())
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "stub/nope" in end.message
    assert "session.error" in [event.event_type for event in sink.events]
    assert again.outcome is Outcome.COMPLETED


async def test_an_interrupt_refuses_what_is_still_asked(opencode: OpenCodeRig) -> None:
    """An abort leaves a permission pending; it must be granted never, and block nobody."""
    sink = RecordingSink(hold_at=Kind.PERMISSION_ASKED, mode=PermissionMode.BYPASS)
    trace = opencode.place.workspace / "trace"
    message = opencode.script(Call("bash", {"command": f"touch {trace}", "description": "touch"}))
    async with started(opencode.make_with()) as backend:
        prompt = asyncio.create_task(backend.prompt(Message(message), sink))
        await sink.until(lambda: not sink.open.is_set())
        await backend.interrupt()
        sink.open.set()
        end = await asyncio.wait_for(prompt, 10)
        again = await backend.prompt(Message("Go on."), RecordingSink())
    assert (end.outcome, again.outcome) == (Outcome.INTERRUPTED, Outcome.COMPLETED)
    assert not trace.exists()


async def test_tools_in_sessions_of_their_own_end_too(
    opencode: OpenCodeRig,
) -> None:
    """The CLI puts a shell into a group of its own; when the agent stops, it goes as well."""
    pid_file = opencode.place.workspace / "pid"
    command = f"echo $$ > {pid_file}; setsid sleep 600 & sleep 600"
    message = opencode.call("bash", command=command, description="sleep")
    backend, sink = opencode.make_with(), RecordingSink(mode=PermissionMode.BYPASS)
    await backend.start()
    prompt = asyncio.create_task(backend.prompt(Message(message), sink))
    await sink.until(lambda: any(e.kind == "tool.started" for e in sink.events))
    (group,) = opencode.place.groups
    async with asyncio.timeout(30):  # a shell tells nobody that it has begun
        while not pid_file.exists() or len(members(group)) < 3:
            await asyncio.sleep(0.02)
    await backend.stop()
    assert not members(group)
    await asyncio.wait_for(prompt, 5)


async def test_models_are_checked(opencode: OpenCodeRig) -> None:
    """A model without its provider is refused with the right form."""
    with pytest.raises(Invalid, match="provider/model"):
        await opencode.make_with().set_model("nope")
    with pytest.raises(BackendUnusable, match="provider/model"):
        opencode.make_with(model="nope")
