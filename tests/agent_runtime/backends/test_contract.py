"""What every backend promises (agent_runtime.backends.protocol), with its real CLI."""

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import BackendCrashed, BackendUnusable, Invalid
from agent_runtime.model import Kind, Outcome, TurnEnd
from tests.agent_runtime.backends.rigs import CommandRig, ModelRig, Rig
from tests.agent_runtime.backends.sink import RecordingSink
from tests.agent_runtime.backends.started import started

SOON_S = 10


@asynccontextmanager
async def prompting(
    backend: Backend, content: str, sink: RecordingSink
) -> AsyncIterator["asyncio.Task[TurnEnd]"]:
    """A prompt as a task, which is gone at the end."""
    task = asyncio.create_task(backend.prompt(Message(content), sink))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_text_is_streamed_in_order(rig: Rig, sink: RecordingSink) -> None:
    """What the CLI says arrives whole and in order, and the turn is completed.

    Every event is one UTF-8 JSON object that has the event's type (or method); streamed text
    has its own kind, with `text` and `part_id`.
    """
    texts = [f"line {number}: grüße" for number in range(50)]
    async with started(rig.make()) as backend:
        end = await backend.prompt(Message(rig.say(*texts)), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.said == "".join(f"{text}\n" for text in texts)
    for event in sink.events:
        told = msgspec.json.decode(event.event_json)
        assert event.event_type == (told["method"] if "method" in told else told["type"])
        assert not event.data_json or isinstance(msgspec.json.decode(event.data_json), dict)
    assert all(data.keys() == {"text", "part_id"} for data in sink.data(Kind.TEXT_DELTA))


async def test_neighbouring_text_may_be_merged(rig: Rig, sink: RecordingSink) -> None:
    """Two deltas of a part are what the CLI would have said at once: text, part, type, JSON."""
    async with started(rig.make()) as backend:
        await backend.prompt(Message(rig.say("one", "two", "grüße")), sink)
    deltas = sink.of(Kind.TEXT_DELTA)
    merged = deltas[0]
    for delta in deltas[1:]:
        both = backend.merge(merged, delta)
        assert both is not None
        merged = both
    data = msgspec.json.decode(merged.data_json)
    assert data == {**msgspec.json.decode(deltas[0].data_json), "text": sink.said}
    assert (merged.event_type, merged.kind) == (deltas[0].event_type, Kind.TEXT_DELTA)
    assert msgspec.json.decode(merged.event_json).keys() == (
        msgspec.json.decode(deltas[0].event_json).keys()
    )
    assert msgspec.json.encode(sink.said) in merged.event_json


async def test_interrupt_ends_a_prompt_and_the_next_works(rig: Rig, sink: RecordingSink) -> None:
    """An interrupted prompt ends as such, soon; the one after it is as good as new."""
    async with started(rig.make()) as backend:
        async with prompting(backend, rig.stall("thinking"), sink) as prompt:
            await sink.until_said("thinking")
            await backend.interrupt()
            end = await asyncio.wait_for(prompt, SOON_S)
        assert end.outcome is Outcome.INTERRUPTED
        if not backend.running:
            await backend.start()
        after = RecordingSink()
        again = await backend.prompt(Message(rig.say("fresh")), after)
    assert again.outcome is Outcome.COMPLETED
    assert after.said == "fresh\n"


async def test_interrupt_without_a_prompt_does_nothing(rig: Rig, sink: RecordingSink) -> None:
    """An interrupt that comes too late must not end the next prompt."""
    async with started(rig.make()) as backend:
        await backend.interrupt()
        end = await backend.prompt(Message(rig.say("untouched")), sink)
        await backend.interrupt()
        again = await backend.prompt(Message(rig.say("untouched")), sink)
    assert (end.outcome, again.outcome) == (Outcome.COMPLETED, Outcome.COMPLETED)


async def test_an_interrupt_right_at_the_start_counts(rig: Rig, sink: RecordingSink) -> None:
    """However early in a prompt it comes, an interrupt is not lost."""
    message = rig.stall("thinking")
    async with started(rig.make()) as backend, prompting(backend, message, sink) as prompt:
        await asyncio.sleep(0)  # let the prompt begin
        await backend.interrupt()
        end = await asyncio.wait_for(prompt, SOON_S)
    assert end.outcome is Outcome.INTERRUPTED


async def test_an_interrupt_of_the_start_is_not_the_next_prompts(
    rig: Rig, sink: RecordingSink
) -> None:
    """Whoever gives up while the CLI starts must not end the message after it."""
    backend = rig.make()
    starting = asyncio.create_task(backend.start())
    await asyncio.sleep(0)  # let the start begin
    await backend.interrupt()
    await starting
    end = await backend.prompt(Message(rig.say("untouched")), sink)
    await backend.stop()
    assert (end.outcome, sink.said) == (Outcome.COMPLETED, "untouched\n")


async def test_a_killed_cli_ends_the_prompt(rig: Rig, sink: RecordingSink) -> None:
    """A CLI that dies in mid-prompt is told as a failure, and its successor works."""
    async with started(rig.make()) as backend:
        async with prompting(backend, rig.stall("thinking"), sink) as prompt:
            await sink.until_said("thinking")
            (group,) = rig.place.groups
            os.kill(group.pgid, signal.SIGKILL)
            if isinstance(rig, CommandRig):
                end = await asyncio.wait_for(prompt, SOON_S)
                assert end.outcome is Outcome.FAILED
                assert "SIGKILL" in end.message
            else:
                with pytest.raises(BackendCrashed, match="was ended by SIGKILL"):
                    await asyncio.wait_for(prompt, SOON_S)
        assert not rig.place.alive()
        if not backend.running:
            await backend.start()
        after = RecordingSink()
        await backend.prompt(Message(rig.say("fresh")), after)
    assert after.said == "fresh\n"


async def test_a_missing_cli_is_told(rig: Rig) -> None:
    """A CLI that is not there: BackendUnusable, naming it and what would help."""
    with pytest.raises(BackendUnusable, match=r"no-such-command-here.*FORGE_"):
        await rig.make_missing().start()


async def test_megabytes_in_one_piece_arrive_whole(rig: Rig, sink: RecordingSink) -> None:
    """Ten megabytes without a newline break nothing and lose nothing."""
    size = 10 * 1024 * 1024
    async with started(rig.make()) as backend:
        end = await backend.prompt(Message(rig.say_much(size)), sink)
    assert end.outcome is Outcome.COMPLETED
    assert sink.said == "x" * size


async def test_a_full_journal_holds_the_cli_up(rig: Rig, sink: RecordingSink) -> None:
    """While `emit` waits nothing more is emitted; afterwards all of it comes, in order."""
    texts = [f"line {number} " + "x" * 100 for number in range(200)]
    sink.open.clear()
    message = rig.say(*texts)
    async with started(rig.make()) as backend, prompting(backend, message, sink) as prompt:
        await sink.until(lambda: sink.waiting > 0)
        done, _ = await asyncio.wait({prompt}, timeout=1)
        assert not done
        assert (sink.waiting, sink.events) == (1, [])
        sink.open.set()
        end = await asyncio.wait_for(prompt, 30)
    assert end.outcome is Outcome.COMPLETED
    assert sink.said == "".join(f"{text}\n" for text in texts)


async def test_stop_ends_every_process(rig: Rig, sink: RecordingSink) -> None:
    """After `stop` nothing of the CLI lives, whatever session it moved to; the prompt has ended.

    `running` is False before start and after stop, True between.
    """
    backend = rig.make()
    seen = [backend.running]
    await backend.start()
    seen.append(backend.running)
    async with prompting(backend, rig.stall("thinking"), sink) as prompt:
        await sink.until_said("thinking")
        assert rig.place.alive()
        await backend.stop()
        assert not rig.place.alive()
        end = await asyncio.wait_for(prompt, SOON_S)
    assert end.outcome is Outcome.INTERRUPTED
    assert [*seen, backend.running] == [False, True, False]
    assert rig.place.groups == frozenset()
    await backend.stop()


async def test_a_cancelled_prompt_leaves_a_usable_backend(rig: Rig, sink: RecordingSink) -> None:
    """A runner that gives up on a prompt can stop and start the backend again."""
    backend = rig.make()
    await backend.start()
    async with prompting(backend, rig.stall("thinking"), sink):
        await sink.until_said("thinking")
    await backend.stop()
    assert not rig.place.alive()
    async with started(backend):
        after = RecordingSink()
        await backend.prompt(Message(rig.say("fresh")), after)
    assert after.said == "fresh\n"


async def test_unknown_permission_modes_are_refused(rig: Rig) -> None:
    """A mode nobody knows must not be taken for one that allows."""
    backend = rig.make()
    await backend.set_permission_mode("bypassPermissions")
    with pytest.raises(Invalid, match="acceptEdits"):
        await backend.set_permission_mode("yolo")


async def test_another_session_begins_as_it_was_asked_to(rig: Rig) -> None:
    """A fresh one knows nothing of what was said, a fork all of it; each has an id of its own."""
    if not isinstance(rig, ModelRig):
        return
    backend = rig.make()
    wanted = ((Capability.FORK, True), (Capability.NEW_SESSION, False))
    sessions = []
    try:
        made = ""
        for step in (None, *(fork for has, fork in wanted if has in backend.capabilities)):
            if step is not None:
                if not backend.running:
                    await backend.start()
                made = await backend.new_session(fork=step)
            if not backend.running:
                await backend.start()
            sink = RecordingSink()
            word = "My word is MARMALADE." if step is None else "Which word?"
            assert (await backend.prompt(Message(word), sink)).outcome is Outcome.COMPLETED
            sessions.append(sink.sessions[-1])
            assert made in ("", sessions[-1])
            assert step is None or made
            known = "MARMALADE" in str(rig.model.requests[-1])
            assert known is (step is not False)
    finally:
        await backend.stop()
    assert len(set(sessions)) == len(sessions) > 1


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9h"
    "AAAAAElFTkSuQmCC"
)
ATTACHMENTS = {
    Capability.ATTACH_IMAGE: Attachment("a.png", "image/png", PNG),
    Capability.ATTACH_PDF: Attachment("a.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n"),
    Capability.ATTACH_TEXT: Attachment("notes.md", "text/markdown", "Grüße vom 4711".encode()),
}


async def test_attachments_reach_the_model(rig: Rig, sink: RecordingSink) -> None:
    """Of every kind that the backend declares; images and PDF as they are, texts as text."""
    backend = rig.make()
    files = [file for needed, file in ATTACHMENTS.items() if needed in backend.capabilities]
    if not isinstance(rig, ModelRig):
        assert not files
        return
    async with started(backend):
        end = await backend.prompt(Message(rig.say("seen"), tuple(files)), sink)
    assert end.outcome is Outcome.COMPLETED
    told = msgspec.json.encode(rig.model.requests[-1]).decode()
    assert files
    for file in files:
        is_text = file.needs is Capability.ATTACH_TEXT
        expected = file.data.decode() if is_text else base64.b64encode(file.data).decode()
        assert expected in told, file.filename
