"""Claude Code that misbehaves: a scripted peer in its place."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends import stdio
from agent_runtime.backends.claude_code import ClaudeCodeBackend
from agent_runtime.backends.message import Message
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.claude_peer import BEGIN, END, SESSION, PeerScript, binary, text

HELLO = Message("Hello.")


@asynccontextmanager
async def started(
    place: Place, folder: Path, script: PeerScript
) -> AsyncIterator[ClaudeCodeBackend]:
    options = {"FORGE_CLAUDE_CODE_BIN": str(binary(folder, script))}
    backend = ClaudeCodeBackend.create(place.context(options=options))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()


async def test_events_pass_byte_for_byte(place: Place, tmp_path: Path, sink: RecordingSink) -> None:
    """The CLI's own JSON is not touched: spacing, escapes, order and unknown types stay."""
    odd = '{ "n":1e2,"s":"\\u00e4ö\\/", "type":"new.one" }'
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, odd, END])) as backend:
        await backend.prompt(HELLO, sink)
    (event,) = [event for event in sink.events if event.event_type == "new.one"]
    assert (event.event_json, event.kind) == (odd.encode(), Kind.OTHER)


async def test_garbage_is_told_and_skipped(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What cannot be read is told as status; what follows still arrives."""
    binary_garbage = "base64:" + base64.b64encode(b'{"type":"x\xff\xfe"}').decode()
    deep = '{"type":"x","properties":' + "[" * 5000 + "]" * 5000 + "}"
    garbage = ["not json", "[1,2]", '{"type":5}', "{}", binary_garbage, deep, ""]
    steps = [BEGIN, *garbage, text("still here"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["still here"]
    assert len([event for event in sink.events if event.event_type == "unreadable"]) == 6
    assert sink.sessions == [SESSION]
    for event in sink.events:
        msgspec.json.decode(event.event_json)


async def test_known_types_of_another_shape_pass_as_other(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A later version's shapes are passed on, without kind, and break nothing."""
    strange = '{"type":"%s","subtype":"status","status":[],"message":7,"event":[],"request":1}'
    types = ["assistant", "user", "stream_event", "system", "control_request", "control_response"]
    steps = [BEGIN, *(strange % name for name in types), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(HELLO, sink)
    assert end.outcome is Outcome.COMPLETED
    assert [event.event_type for event in sink.events][: len(types)] == types


async def test_a_turn_of_the_clis_own_does_not_end_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What it does before it takes our message up belongs to another turn, and is not told."""
    steps = [text("another's"), END, BEGIN, text("ours"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        await backend.prompt(HELLO, sink)
    assert [data["text"] for data in sink.data(Kind.TEXT)] == ["ours"]


async def test_an_exit_in_mid_prompt_tells_the_end_of_its_errors(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """BackendCrashed says how the CLI ended and what it complained of last."""
    script = PeerScript(steps=[BEGIN, text("half"), "stderr:out of memory", "exit"])
    async with started(place, tmp_path, script) as backend:
        with pytest.raises(BackendCrashed, match=r"exited with code 3; .*out of memory"):
            await backend.prompt(HELLO, sink)
        assert not backend.running
    assert sink.data(Kind.TEXT)[0]["text"] == "half"


async def test_a_noisy_cli_is_always_drained(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Megabytes of complaints do not block the CLI; the failure shows no more than their end."""
    script = PeerScript(steps=[BEGIN, "stderr:" + "x" * 3_000_000, "exit"])
    async with started(place, tmp_path, script) as backend:
        with pytest.raises(BackendCrashed) as caught:
            await backend.prompt(HELLO, sink)
    assert len(str(caught.value)) < 5000


async def test_a_line_without_end_is_given_up(
    place: Place, tmp_path: Path, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond its bound a line is a failure, said clearly, and not memory without bound."""
    monkeypatch.setattr(stdio, "LINE_LIMIT_BYTES", 2 * 1024 * 1024)
    script = PeerScript(steps=[BEGIN, f"x:{3 * 1024 * 1024}", "hang"])
    async with started(place, tmp_path, script) as backend:
        with pytest.raises(BackendCrashed, match=r"a line of more than 2 MiB.*still runs"):
            await backend.prompt(HELLO, sink)
    assert not place.alive()


async def test_a_cli_that_cannot_start_says_why(place: Place, tmp_path: Path) -> None:
    """The end of its complaints is in the message, and nothing is left running."""
    script = PeerScript(boot_output="the disk is full")
    with pytest.raises(BackendUnusable, match=r"exited with code 1.*the disk is full"):
        async with started(place, tmp_path, script):
            pass
    assert not place.alive()


async def test_a_model_that_is_refused_fails_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """In the CLI's own words, and the CLI stays usable."""
    script = PeerScript(refuse_model="no such model", steps=[BEGIN, END])
    async with started(place, tmp_path, script) as backend:
        await backend.set_model("nope")
        end = await backend.prompt(HELLO, sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "no such model" in end.message
