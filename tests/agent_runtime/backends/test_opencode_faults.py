"""OpenCode that misbehaves: a scripted peer in its place."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.opencode.server import Launch
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.sink import RecordingSink
from tests.peers.opencode_peer import BEGIN, END, IDLE, SESSION, PeerScript, binary, text_part

ERROR = (
    '{"type":"session.error","properties":{"sessionID":"ses_1",'
    '"error":{"name":"UnknownError","data":{"message":"Image could not be decoded\\n at x"}}}}'
)
ABORTED = (
    '{"type":"session.error","properties":{"sessionID":"ses_1",'
    '"error":{"name":"MessageAbortedError","data":{"message":"Aborted"}}}}'
)


@asynccontextmanager
async def started(place: Place, folder: Path, script: PeerScript) -> AsyncIterator[OpenCodeBackend]:
    options = {"FORGE_OPENCODE_BIN": str(binary(folder, script))}
    backend = OpenCodeBackend.create(place.context(options=options))
    await backend.start()
    try:
        yield backend
    finally:
        await backend.stop()


async def test_events_pass_byte_for_byte(place: Place, tmp_path: Path, sink: RecordingSink) -> None:
    """The CLI's own JSON is not touched: spacing, escapes, order and unknown types stay."""
    odd = '{ "properties" : {"sessionID":"ses_1","n":1e2,"s":"\\u00e4ö\\/"},"type":"new.one" }'
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, odd, END])) as backend:
        await backend.prompt(Message("Hello."), sink)
    (event,) = [event for event in sink.events if event.event_type == "new.one"]
    assert (event.event_json, event.kind) == (odd.encode(), Kind.OTHER)


async def test_garbage_is_told_and_skipped(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What cannot be read is told as status; what follows still arrives."""
    binary_garbage = "base64:" + base64.b64encode(b'{"type":"x\xff\xfe"}').decode()
    deep = '{"type":"x","properties":' + "[" * 5000 + "]" * 5000 + "}"
    garbage = ["not json", "[1,2]", '{"type":5}', "{}", binary_garbage, deep]
    steps = [BEGIN, *garbage, text_part("still here"), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.data(Kind.TEXT) == [{"text": "still here", "part_id": "prt_1"}]
    assert len([event for event in sink.events if event.event_type == "unreadable"]) >= 5
    for event in sink.events:
        msgspec.json.decode(event.event_json)


async def test_known_types_of_another_shape_pass_as_other(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A later version's shapes are passed on, without kind, and break nothing."""
    strange = '{"type":"%s","properties":{"sessionID":"ses_1","part":7,"info":[],"status":1}}'
    types = ["message.part.updated", "message.updated", "session.status", "permission.asked"]
    steps = [BEGIN, *(strange % name for name in types), END]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED
    assert [event.event_type for event in sink.events][1:5] == types


async def test_other_sessions_are_not_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Events of a session that is neither ours nor a subagent's are dropped."""
    foreign = IDLE.replace(SESSION, "ses_foreign")
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, foreign, END])) as backend:
        await backend.prompt(Message("Hello."), sink)
    assert all(b"ses_foreign" not in event.event_json for event in sink.events)


async def test_a_broken_stream_is_a_crash(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A stream that ends while the CLI lives may have lost events: said, never guessed over."""
    steps = [BEGIN, text_part("half"), "close"]
    async with started(place, tmp_path, PeerScript(steps=steps)) as backend:
        with pytest.raises(BackendCrashed, match=r"stream.*still runs"):
            await backend.prompt(Message("Hello."), sink)
        assert not backend.running
    assert not place.alive()
    assert sink.data(Kind.TEXT)[0]["text"] == "half"


async def test_an_exit_in_mid_prompt_tells_the_end_of_the_output(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """BackendCrashed says how the CLI ended and what it wrote last."""
    async with started(place, tmp_path, PeerScript(steps=[BEGIN, "exit"])) as backend:
        with pytest.raises(BackendCrashed, match=r"exited with code 3; .*server listening"):
            await backend.prompt(Message("Hello."), sink)


async def test_an_error_without_idle_ends_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """An undecodable image is told by session.error alone, even before the prompt is taken up."""
    async with started(place, tmp_path, PeerScript(steps=[ERROR])) as backend:
        end = await asyncio.wait_for(backend.prompt(Message("Hello."), sink), 5)
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert end.message == "Image could not be decoded"
    assert [event.event_type for event in sink.events] == ["session.error"]


async def test_an_error_while_the_cli_goes_on_does_not_end_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """As long as the CLI says that it works, an error is an event and no more."""
    script = PeerScript(steps=[BEGIN, ERROR, "hang"], busy=True)
    async with started(place, tmp_path, script) as backend:
        prompt = asyncio.create_task(backend.prompt(Message("Hello."), sink))
        done, _ = await asyncio.wait({prompt}, timeout=1.5)
        assert not done
        await backend.stop()
        end = await asyncio.wait_for(prompt, 5)
    assert end.outcome is Outcome.INTERRUPTED


async def test_the_tail_of_the_last_prompt_does_not_end_this_one(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """An idle and an abort that come late belong to the prompt before, not to this one."""
    old = '{"type":"message.updated","properties":{"sessionID":"ses_1","info":%s}}'
    tail = [old % '{"id":"msg_1","role":"user"}', ABORTED, IDLE]
    later = [*tail, BEGIN, text_part("an answer"), END]
    script = PeerScript(steps=[BEGIN, END], later_steps=later)
    async with started(place, tmp_path, script) as backend:
        await backend.prompt(Message("Hello."), RecordingSink())
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.data(Kind.TEXT)[0]["text"] == "an answer"
    assert ABORTED.encode() not in [event.event_json for event in sink.events]


async def test_a_refused_prompt_is_a_failed_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What the CLI does not take is the turn's failure, and the CLI stays usable."""
    async with started(place, tmp_path, PeerScript(refuse=400)) as backend:
        end = await backend.prompt(Message("Hello."), sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "400" in end.message


async def test_a_noisy_cli_is_always_drained(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Megabytes on its output do not block the CLI, before it listens or later."""
    script = PeerScript(steps=[BEGIN, END], noise=3_000_000)
    async with started(place, tmp_path, script) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED


async def test_a_taken_port_is_tried_again(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Somebody may take the port between choosing it and listening; another one will do."""
    script = PeerScript(steps=[BEGIN, END], boot_failures=2, boot_output="ServeError")
    async with started(place, tmp_path, script) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED


async def test_a_cli_that_cannot_start_says_why(place: Place, tmp_path: Path) -> None:
    """The end of its output is in the message, and nothing is left running."""
    script = PeerScript(boot_failures=9, boot_output="the disk is full")
    with pytest.raises(BackendUnusable, match=r"exited with code 1.*the disk is full"):
        async with started(place, tmp_path, script):
            pass
    assert not place.alive()


async def test_a_cli_that_never_listens_is_given_up(place: Place, tmp_path: Path) -> None:
    """Starting has a bound, after which nothing is left running."""
    silent = str(binary(tmp_path, PeerScript(listens=False)))
    launch = Launch(silent, place.context(), boot_limit_s=1.0)
    with pytest.raises(BackendUnusable, match="did not start: opencode still runs"):
        await launch.start()
    assert not place.alive()
