"""Agents that misbehave, or can do little: a scripted peer in their place."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.errors import BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.scripted import ACP
from tests.agent_runtime.backends.sink import PatientSink, RecordingSink
from tests.peers.acp_peer import (
    END,
    SESSION,
    chunk,
    request,
    told_to,
    update,
)

HELLO = Message("Hello.")
OPTIONS = [
    {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
    {"optionId": "no", "name": "No", "kind": "reject_once"},
]


def answers(folder: Path) -> list[object]:
    return [
        told.get("result", told.get("error")) for told in told_to(folder) if "method" not in told
    ]


async def test_pieces_without_an_id_make_parts(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Neighbours belong together; thoughts and calls come between; other sessions are not ours."""
    thought = update("agent_thought_chunk", content={"type": "text", "text": "hm"})
    call = update("tool_call", toolCallId="c1", title="ls", kind="execute", status="in_progress")
    foreign = chunk("not ours").replace(SESSION, "ses_2")
    steps = [chunk("a"), chunk("b"), thought, chunk("c"), call, chunk("d"), foreign, END]
    async with ACP.started(place, tmp_path, steps=steps) as backend:
        await backend.prompt(HELLO, sink)
    parts = [data["part_id"] for data in sink.data(Kind.TEXT_DELTA)]
    assert sink.said == "abcd"
    assert parts[0] == parts[1]
    assert len(set(parts)) == 3


async def test_files_are_those_of_the_workspace(place: Place, tmp_path: Path) -> None:
    """What the agent reads and writes through us stays there, by a link, too."""
    workspace = place.workspace
    (workspace / "a.txt").write_text("one\ntwo\nthree\n")
    (workspace / "link").symlink_to(workspace.parent)
    secret = workspace.parent / "secret"
    secret.write_text("secret")
    read, write = "fs/read_text_file", "fs/write_text_file"
    requests = [
        request(0, read, path=str(workspace / "a.txt"), line=2, limit=1),
        request(1, write, path=str(workspace / "new" / "b.txt"), content="hi\n"),
        request(2, read, path=str(secret)),
        request(3, read, path=str(workspace / "link" / "secret")),
        request(4, write, path=str(workspace / ".." / "secret"), content="x"),
        request(5, read, path="a.txt"),
        request(6, read, path=str(workspace / "none")),
        request(7, "terminal/create", command="ls"),
        request(8, write, path=7),
    ]
    steps = [step for told in requests for step in (told, "wait")]
    async with ACP.started(place, tmp_path, steps=[*steps, END]) as backend:
        await backend.prompt(HELLO, RecordingSink())
    told = answers(tmp_path)
    assert told[:2] == [{"content": "two\n"}, {}]
    assert (workspace / "new" / "b.txt").read_text() == "hi\n"
    codes = [error["code"] for error in told[2:] if isinstance(error, dict)]
    assert codes == [-32602, -32602, -32602, -32602, -32602, -32601, -32602]
    assert secret.read_text() == "secret"


async def test_an_interrupt_cancels_what_is_asked(place: Place, tmp_path: Path) -> None:
    """The protocol wants every open request answered so; whoever was asked is asked no more."""

    sink = PatientSink()
    call = {"toolCallId": "c1", "title": "rm", "kind": "execute", "rawInput": {"command": "rm"}}
    asked = request("q", "session/request_permission", toolCall=call, options=OPTIONS)
    async with ACP.started(
        place, tmp_path, steps=[asked, "wait", "wait", END], stop="cancelled"
    ) as backend:
        prompt = asyncio.create_task(backend.prompt(HELLO, sink))
        await sink.until(lambda: bool(sink.of(Kind.PERMISSION_ASKED)))
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, 10)
    assert end.outcome is Outcome.INTERRUPTED
    assert answers(tmp_path) == [{"outcome": {"outcome": "cancelled"}}]


async def test_options_are_those_of_the_agent(place: Place, tmp_path: Path) -> None:
    """A decision is told in the agent's own option; the event shows what it was told."""
    sink = RecordingSink(mode=PermissionMode.BYPASS)
    call = {"toolCallId": "c1", "title": "Run ls", "kind": "execute"}
    asked = request(0, "session/request_permission", toolCall=call, options=OPTIONS)
    async with ACP.started(place, tmp_path, steps=[asked, "wait", END]) as backend:
        await backend.prompt(HELLO, sink)
    (data,) = sink.data(Kind.PERMISSION_ASKED)
    assert (data["tool"], data["options"]) == ("execute", ["once", "reject"])
    assert answers(tmp_path) == [{"outcome": {"outcome": "selected", "optionId": "yes"}}]
    (answered,) = sink.of(Kind.PERMISSION_ANSWERED)
    assert b'"optionId":"yes"' in answered.event_json


async def test_it_has_what_the_agent_says(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Before the start all may be; then an image that it cannot take is refused in words."""
    backend = ACP.make(place, tmp_path, steps=[END])
    assert Capability.ATTACH_IMAGE in backend.capabilities
    await backend.start()
    try:
        assert {Capability.ATTACH_IMAGE, Capability.RESUME, Capability.SET_MODEL}.isdisjoint(
            backend.capabilities
        )
        image = Attachment("a.png", "image/png", b"\x89PNG")
        end = await backend.prompt(Message("Look.", (image,)), sink)
        text = Attachment("a.txt", "text/plain", b"4711")
        again = await backend.prompt(Message("Read.", (text,)), sink)
    finally:
        await backend.stop()
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "attach.image" in end.message
    assert again.outcome is Outcome.COMPLETED
    prompted = [told for told in told_to(tmp_path) if told.get("method") == "session/prompt"]
    assert "4711" in msgspec.json.encode(prompted).decode()


@pytest.mark.parametrize(
    ("able", "method"),
    [
        ({"loadSession": True}, "session/load"),
        ({"loadSession": True, "sessionCapabilities": {"resume": {}}}, "session/resume"),
        ({}, "session/new"),
    ],
)
async def test_a_session_is_taken_up_as_the_agent_can(
    place: Place, tmp_path: Path, able: dict[str, object], method: str
) -> None:
    """Without its history where it can, else with it, else a new one."""
    backend = ACP.make(place, tmp_path, able=able, session_id="ses_before")
    await backend.start()
    await backend.stop()
    told = [one["method"] for one in told_to(tmp_path) if "method" in one]
    assert told == ["initialize", method]
    assert (Capability.RESUME in backend.capabilities) is (method != "session/new")


INTERNAL = {"code": 1, "message": "Internal", "data": {"details": "no key"}}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({"stop": "refusal"}, "refuses"),
        ({"stop": "max_tokens"}, "no room"),
        ({"error": {"code": -32603, "message": "Internal error"}}, "Internal error"),
        ({"error": INTERNAL}, "no key"),
    ],
)
async def test_a_prompt_that_fails_says_why(
    place: Place, tmp_path: Path, sink: RecordingSink, script: dict[str, object], said: str
) -> None:
    """In the most telling words that the agent has."""
    async with ACP.started(place, tmp_path, steps=[END], **script) as backend:
        end = await backend.prompt(HELLO, sink)
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert said in end.message


async def test_an_agent_that_makes_no_session_says_why(place: Place, tmp_path: Path) -> None:
    """In the message, and nothing is left running."""
    with pytest.raises(BackendUnusable, match="refuses session/new: Authentication"):
        async with ACP.started(place, tmp_path, refuse="Authentication required"):
            pass
    assert not place.alive()


@pytest.mark.parametrize("told", ["", "'", "''"])
def test_a_command_is_needed(place: Place, told: str) -> None:
    """What is wrong with it, and an example."""
    with pytest.raises(BackendUnusable, match="FORGE_ACP_COMMAND"):
        AcpBackend.create(place.context(options={"FORGE_ACP_COMMAND": told}))
