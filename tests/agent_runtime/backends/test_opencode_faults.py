"""OpenCode that misbehaves: a scripted peer in its place."""

import asyncio
from pathlib import Path

import pytest

from agent_runtime.backends.message import Message
from agent_runtime.backends.opencode.server import Launch
from agent_runtime.errors import BackendCrashed, BackendUnusable
from agent_runtime.model import Code, Kind, Outcome
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.scripted import OPENCODE
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


async def test_other_sessions_are_not_ours(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Events of a session that is neither ours nor a subagent's are dropped."""
    foreign = IDLE.replace(SESSION, "ses_foreign")
    async with OPENCODE.started(place, tmp_path, steps=[BEGIN, foreign, END]) as backend:
        await backend.prompt(Message("Hello."), sink)
    assert all(b"ses_foreign" not in event.event_json for event in sink.events)


async def test_a_broken_stream_is_a_crash(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """A stream that ends while the CLI lives may have lost events: said, never guessed over."""
    steps = [BEGIN, text_part("half"), "close"]
    async with OPENCODE.started(place, tmp_path, steps=steps) as backend:
        with pytest.raises(BackendCrashed, match=r"stream.*still runs"):
            await backend.prompt(Message("Hello."), sink)
        assert not backend.running
    assert not place.alive()
    assert sink.data(Kind.TEXT)[0]["text"] == "half"


async def test_an_error_without_idle_ends_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """An undecodable image is told by session.error alone, even before the prompt is taken up."""
    async with OPENCODE.started(place, tmp_path, steps=[ERROR]) as backend:
        end = await asyncio.wait_for(backend.prompt(Message("Hello."), sink), 5)
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert end.message == "Image could not be decoded"
    assert [event.event_type for event in sink.events] == ["session.error"]


async def test_an_error_while_the_cli_goes_on_does_not_end_the_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """As long as the CLI says that it works, an error is an event and no more."""
    async with OPENCODE.started(
        place, tmp_path, steps=[BEGIN, ERROR, "hang"], busy=True
    ) as backend:
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
    async with OPENCODE.started(place, tmp_path, steps=[BEGIN, END], later_steps=later) as backend:
        await backend.prompt(Message("Hello."), RecordingSink())
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.data(Kind.TEXT)[0]["text"] == "an answer"
    assert ABORTED.encode() not in [event.event_json for event in sink.events]


async def test_a_refused_prompt_is_a_failed_turn(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """What the CLI does not take is the turn's failure, and the CLI stays usable."""
    async with OPENCODE.started(place, tmp_path, refuse=400) as backend:
        end = await backend.prompt(Message("Hello."), sink)
        assert backend.running
    assert (end.outcome, end.code) == (Outcome.FAILED, Code.PROMPT_ERROR)
    assert "400" in end.message


async def test_a_noisy_cli_is_always_drained(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Megabytes on its output do not block the CLI, before it listens or later."""
    async with OPENCODE.started(place, tmp_path, steps=[BEGIN, END], noise=3_000_000) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED


async def test_a_taken_port_is_tried_again(
    place: Place, tmp_path: Path, sink: RecordingSink
) -> None:
    """Somebody may take the port between choosing it and listening; another one will do."""
    async with OPENCODE.started(
        place, tmp_path, steps=[BEGIN, END], boot_failures=2, boot_output="ServeError"
    ) as backend:
        end = await backend.prompt(Message("Hello."), sink)
    assert end.outcome is Outcome.COMPLETED


async def test_a_cli_that_never_listens_is_given_up(place: Place, tmp_path: Path) -> None:
    """Starting has a bound, after which nothing is left running."""
    silent = str(binary(tmp_path, PeerScript(listens=False)))
    launch = Launch(silent, place.context(), boot_limit_s=1.0)
    with pytest.raises(BackendUnusable, match="did not start: opencode still runs"):
        await launch.start()
    assert not place.alive()
