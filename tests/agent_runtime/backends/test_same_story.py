"""One conversation, told by every CLI that has a model, means the same."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import Backend
from agent_runtime.model import Kind, TurnEnd
from tests.agent_runtime.backends.rigs import ModelRig
from tests.agent_runtime.backends.sink import ChoosingSink, RecordingSink
from tests.peers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, Fail, Say

_PAGE = Path(__file__).parents[3] / "docs/webhooks.md"
DELTAS = (Kind.TEXT_DELTA, Kind.REASONING_DELTA)
QUESTION = ["asks: Which? [A, B]", "is told: B"]


def expected(capabilities: Set[Capability], *, goes_on: bool) -> list[str]:
    """The story as told by a CLI that can do this much; `goes_on`: when it is refused a tool."""
    asks = Capability.QUESTIONS in capabilities
    calls = 2 + asks + goes_on
    counts = Capability.USAGE in capabilities
    return [
        "thinks: Let me see.",
        "says: I begin.",
        *(QUESTION if asks else []),
        "write: once",
        "changes: a.txt",
        "write: completed",
        "run: reject",
        "run: error",
        *(["says: Done."] if goes_on else []),
        f"completed, {calls * INPUT_TOKENS}+{calls * OUTPUT_TOKENS}" if counts else "completed",
        "failed",
    ]


async def test_the_same_conversation_is_the_same_story(model_rig: ModelRig) -> None:
    """Texts, thoughts, tools, permissions, questions, files, outcomes and tokens, in that order.

    Deltas come to the texts; every call begins and ends once; usage events come to the usage.
    """
    rig = model_rig
    backend = rig.make()
    await backend.start()
    calls = [rig.write("a.txt", "hi"), rig.run("touch b")]
    if Capability.QUESTIONS in backend.capabilities:
        calls.insert(0, rig.ask("Which?", "A", "B"))
    calls[0] = replace(calls[0], think="Let me see.", text="I begin.")
    goes_on = not rig.ends_when_refused
    message = rig.script(*calls, *([Say("Done.")] if goes_on else []))
    try:
        story = await played(rig, backend, message)
        rig.model.repeat = Fail(400, "no")
        story += await played(rig, backend, "Again.")
    finally:
        await backend.stop()
    assert story == expected(backend.capabilities, goes_on=goes_on)
    assert (rig.place.workspace / "a.txt").read_text() == "hi\n"
    assert not (rig.place.workspace / "b").exists()


async def played(rig: ModelRig, backend: Backend, message: str) -> list[str]:
    sink = ChoosingSink(("B",))
    end = await backend.prompt(Message(message), sink)
    assert_whole(sink, end)
    assert_as_documented(sink)
    return [*told(rig, sink), ended(end)]


def documented() -> Mapping[str, Set[str]]:
    """The fields of each kind's data by the table of docs/webhooks.md, and its optional ones."""
    table = _PAGE.read_text("utf-8").partition("### Kinds")[2].partition("\n\nWhat a sub")[0]
    fields: dict[str, Set[str]] = {}
    for row in table.splitlines()[4:]:
        kinds, told = row.removeprefix("| ").split(" | ", 1)
        named = re.match(r"`\{(.*?)\}`", told)
        for kind in re.findall(r"`(.*?)`", kinds):
            fields[kind] = set(named[1].split(", ")) if named else set()
    fields[Kind.TOOL_FINISHED] = {*fields[Kind.TOOL_STARTED], "output?", "error?"}
    return fields


def test_every_kind_is_documented() -> None:
    """With the fields that its data has."""
    assert set(documented()) == set(Kind)


def assert_as_documented(sink: RecordingSink) -> None:
    """No field is missing, and none is there that callers could not know of."""
    fields = documented()
    for event in sink.events:
        told = set(msgspec.json.decode(event.data_json or b"{}")) - {"subagent"}
        needed = {name for name in fields[event.kind] if not name.endswith("?")}
        allowed = {name.removesuffix("?") for name in fields[event.kind]}
        assert needed <= told <= allowed, (event.kind, told)


def assert_whole(sink: RecordingSink, end: TurnEnd) -> None:
    pieces, wholes = texts(sink, DELTAS), texts(sink, (Kind.TEXT, Kind.REASONING))
    assert wholes in (pieces, {})  # some have only pieces
    calls = [
        sorted(data["call_id"] for data in sink.data(kind))
        for kind in (Kind.TOOL_STARTED, Kind.TOOL_FINISHED)
    ]
    assert calls[0] == calls[1]
    assert len(calls[0]) == len(set(calls[0]))
    used = sink.data(Kind.USAGE)
    tokens = end.usage and (end.usage.input_tokens, end.usage.output_tokens)
    sums = tuple(sum(data[name] for data in used) for name in ("input_tokens", "output_tokens"))
    assert tokens in (None, sums)


def texts(sink: RecordingSink, kinds: Sequence[Kind]) -> dict[str, str]:
    """What every part comes to."""
    parts: dict[str, str] = defaultdict(str)
    for kind in kinds:
        for data in sink.data(kind):
            parts[data["part_id"]] += data["text"]
    return dict(parts)


def told(rig: ModelRig, sink: RecordingSink) -> Iterator[str]:
    """A text where it begins, whole; a permission by what it is for.

    When a text ends, and whether a call begins before it is asked for, differs.
    """
    parts = texts(sink, DELTAS)
    tools = dict[str, str]()
    for event in sink.events:
        data: dict[str, Any] = msgspec.json.decode(event.data_json or b"{}")
        match event.kind:
            case Kind.TEXT_DELTA | Kind.REASONING_DELTA if data["part_id"] in parts:
                verb = "says" if event.kind is Kind.TEXT_DELTA else "thinks"
                yield f"{verb}: {parts.pop(data['part_id'])}"
            case Kind.QUESTION_ASKED:
                (question,) = data["questions"]
                labels = ", ".join(option["label"] for option in question["options"])
                yield f"asks: {question['question']} [{labels}]"
            case Kind.QUESTION_ANSWERED:
                yield f"is told: {data['answers'][0][0]}"
            case Kind.PERMISSION_ASKED:
                tools[data["prompt_id"]] = rig.tools[data["tool"]]
            case Kind.PERMISSION_ANSWERED:
                yield f"{tools[data['prompt_id']]}: {data['decision']}"
            case Kind.FILE_CHANGED:
                yield f"changes: {Path(data['file']).relative_to(rig.place.workspace)}"
            case Kind.TOOL_FINISHED if rig.tools[data["tool"]] != "ask":
                yield f"{rig.tools[data['tool']]}: {data['status']}"


def ended(end: TurnEnd) -> str:
    used = f", {end.usage.input_tokens}+{end.usage.output_tokens}" if end.usage else ""
    return f"{end.outcome}{used}"
