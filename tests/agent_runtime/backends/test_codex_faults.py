"""Codex that misbehaves: a scripted peer in its place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.codex_peer import (
    BEGIN,
    END,
    PeerScript,
    binary,
    notification,
    request,
    text,
    told_to,
)

HELLO = Message("Hello.")


@asynccontextmanager
async def started(place: Place, folder: Path, script: PeerScript) -> AsyncIterator[CodexBackend]:
    options = {"FORGE_CODEX_BIN": str(binary(folder, script))}
    backend = CodexBackend.create(place.context(options=options))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()


async def test_events_pass_byte_for_byte(place: Place, tmp_path: Path, sink: RecordingSink) -> None:
    """The CLI's own JSON is not touched: spacing, escapes, order and unknown methods stay."""
    odd = '{ "params":{"n":1e2,"threadId":"thread_1","s":"\\u00e4ö\\/"}, "method":"new/one" }'
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, odd, END])) as backend:
        await backend.prompt(HELLO, sink)
    (event,) = [event for event in sink.events if event.event_type == "new/one"]
    assert (event.event_json, event.kind) == (odd.encode(), Kind.OTHER)


async def test_garbage_is_told_and_skipped(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What cannot be read is told as status; what follows still arrives."""
    deep = '{"method":"x","params":' + "[" * 5000 + "]" * 5000 + "}"
    garbage = ["not json", "[1,2]", '{"method":5}', "{}", deep, ""]
    steps = [BEGIN, *garbage, text("still here"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["still here"]
    assert len([event for event in sink.events if event.event_type == "unreadable"]) == 5
    for event in sink.events:
        msgspec.json.decode(event.event_json)


async def test_known_methods_of_another_shape_pass_as_other(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A later version's shapes are passed on, without kind, and break nothing."""
    methods = [
        "item/started",
        "item/completed",
        "item/agentMessage/delta",
        "thread/status/changed",
        "thread/tokenUsage/updated",
        "turn/plan/updated",
        "serverRequest/resolved",
        "error",
        "warning",
    ]
    strange = [notification(method, item=7, status=[], delta=1, plan=2) for method in methods]
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, *strange, END])) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert [event.event_type for event in sink.events][1:-1] == methods
    assert {event.kind for event in sink.events} == {Kind.OTHER}


async def test_the_tail_of_another_turn_is_not_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What the turn before still says neither ends this one nor is told as its own."""
    tail = [line.replace("turn_1", "turn_0") for line in (text("the other's"), _completed())]
    steps = [BEGIN, *tail, text("ours"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        await backend.prompt(HELLO, sink)
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["ours"]


async def test_a_subagents_thread_is_told_apart(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Its texts carry its thread, its end is not the turn's, and what it asks is answered."""
    theirs = [
        line.replace("thread_1", "thread_2").replace("turn_1", "turn_2")
        for line in (
            text("sub"),
            request(5, "item/commandExecution/requestApproval", itemId="i", command="ls"),
            _completed(),
        )
    ]
    steps = [BEGIN, *theirs, "wait", text("ours"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    by_whom = {data["text"]: data.get("subagent") for data in sink.data(Kind.TEXT)}
    assert by_whom == {"sub": "thread_2", "ours": None}
    steered, declined = told_to(tmp_path)[-2:]
    assert (steered["method"], steered["params"]["threadId"]) == ("turn/steer", "thread_2")
    assert declined == {"id": 5, "result": {"decision": "decline"}}


async def test_consent_to_an_mcp_tool_is_a_permission(place: Place, tmp_path: Path) -> None:
    """A form without fields asks for consent; one that wants more is refused, not left open."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    form = {"mode": "form", "message": "May I?", "requestedSchema": {"properties": {}}}
    more = {**form, "requestedSchema": {"properties": {"name": {"type": "string"}}}}
    steps = [
        BEGIN,
        request(0, "mcpServer/elicitation/request", serverName="files", **form),
        "wait",
        request(1, "mcpServer/elicitation/request", serverName="files", **more),
        "wait",
        request(2, "something/new"),
        "wait",
        END,
    ]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        await backend.prompt(HELLO, sink)
    (asked,) = sink.data(Kind.PERMISSION_ASKED)
    assert (asked["tool"], asked["options"]) == ("files", ["once", "reject"])
    answers = [told for told in told_to(tmp_path) if "method" not in told]
    assert answers[0] == {"id": 0, "result": {"action": "accept", "content": {}}}
    assert [answer["error"]["code"] for answer in answers[1:]] == [-32601, -32601]


async def test_an_exit_in_mid_prompt_tells_the_end_of_its_errors(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """BackendCrashed says how the CLI ended and what it complained of last, without colours."""
    script = PeerScript(steps=[BEGIN, text("half"), "stderr:\x1b[31mout of\x1b[0m memory", "exit"])
    async with started(place, tmp_path, script) as backend:
        with pytest.raises(BackendCrashed, match=r"exited with code 3; .*out of memory"):
            await backend.prompt(HELLO, sink)
        assert not backend.running
    assert sink.data(Kind.TEXT)[0]["text"] == "half"


async def test_a_refused_turn_is_a_failed_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """In the CLI's own words, and the CLI stays usable."""
    async with started(place, tmp_path, PeerScript(refuse="no such model")) as backend:
        end = await backend.prompt(HELLO, sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "no such model" in end.message


async def test_a_cli_that_cannot_start_says_why(place: Place, tmp_path: Path) -> None:
    """The end of its complaints is in the message, and nothing is left running."""
    with pytest.raises(BackendUnusable, match=r"exited with code 1.*the disk is full"):
        async with started(place, tmp_path, PeerScript(boot_output="the disk is full")):
            pass
    assert not place.alive()


def _completed() -> str:
    return notification("turn/completed", turn={"id": "turn_1", "status": "completed"})
