"""Codex that misbehaves: a scripted peer in its place."""

from pathlib import Path

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.scripted import CODEX
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.codex_peer import (
    BEGIN,
    END,
    notification,
    request,
    text,
    told_to,
)

HELLO = Message("Hello.")


async def test_the_tail_of_another_turn_is_not_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What the turn before still says neither ends this one nor is told as its own."""
    tail = [line.replace("turn_1", "turn_0") for line in (text("the other's"), _completed())]
    steps = [BEGIN, *tail, text("ours"), END]
    async with CODEX.started(place, tmp_path, steps=steps) as backend:
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
    async with CODEX.started(place, tmp_path, steps=steps) as backend:
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
    async with CODEX.started(place, tmp_path, steps=steps) as backend:
        await backend.prompt(HELLO, sink)
    (asked,) = sink.data(Kind.PERMISSION_ASKED)
    assert (asked["tool"], asked["options"]) == ("files", ["once", "reject"])
    answers = [told for told in told_to(tmp_path) if "method" not in told]
    assert answers[0] == {"id": 0, "result": {"action": "accept", "content": {}}}
    assert [answer["error"]["code"] for answer in answers[1:]] == [-32601, -32601]


async def test_a_refused_turn_is_a_failed_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """In the CLI's own words, and the CLI stays usable."""
    async with CODEX.started(place, tmp_path, refuse="no such model") as backend:
        end = await backend.prompt(HELLO, sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "no such model" in end.message


def _completed() -> str:
    return notification("turn/completed", turn={"id": "turn_1", "status": "completed"})
