"""One conversation, told by every CLI that has a model, means the same."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from agent_runtime.backends.message import Message
from agent_runtime.backends.protocol import Backend
from agent_runtime.model import Kind, TurnEnd
from tests.agent_runtime.backends.rigs import ModelRig
from tests.agent_runtime.backends.sink import ChoosingSink, RecordingSink
from tests.peers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, Fail, Say

WHOLE = (Kind.TEXT, Kind.REASONING)
STORY = [
    "thinks: Let me see.",
    "says: I begin.",
    "asks: Which? [A, B]",
    "is told: B",
    "write: once",
    "write: completed",
    "run: reject",
    "run: error",
    "says: Done.",
    f"completed, {4 * INPUT_TOKENS}+{4 * OUTPUT_TOKENS}",
    "failed",
]


async def test_the_same_conversation_is_the_same_story(model_rig: ModelRig) -> None:
    """Texts, thoughts, tools, permissions, questions, outcomes and tokens, in that order.

    Deltas come to the texts; every call begins and ends once; usage events come to the usage.
    """
    rig = model_rig
    ask = replace(rig.ask("Which?", "A", "B"), think="Let me see.", text="I begin.")
    message = rig.script(ask, rig.write("a.txt", "hi"), rig.run("touch b"), Say("Done."))
    backend = rig.make()
    await backend.start()
    try:
        story = await played(rig, backend, message)
        rig.model.repeat = Fail(400, "no")
        story += await played(rig, backend, "Again.")
    finally:
        await backend.stop()
    assert story == STORY
    assert (rig.place.workspace / "a.txt").read_text() == "hi\n"
    assert not (rig.place.workspace / "b").exists()


async def played(rig: ModelRig, backend: Backend, message: str) -> list[str]:
    sink = ChoosingSink(("B",))
    end = await backend.prompt(Message(message), sink)
    assert_whole(sink, end)
    return [*told(rig, sink), ended(end)]


def assert_whole(sink: RecordingSink, end: TurnEnd) -> None:
    assert sink.said == "".join(data["text"] for data in sink.data(Kind.TEXT))
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


def told(rig: ModelRig, sink: RecordingSink) -> Iterator[str]:
    """A text where it begins, whole; a permission by what it is for.

    When a text ends, and whether a call begins before it is asked for, differs.
    """
    texts = {data["part_id"]: data["text"] for kind in WHOLE for data in sink.data(kind)}
    tools = dict[str, str]()
    for event in sink.events:
        data: dict[str, Any] = msgspec.json.decode(event.data_json or b"{}")
        match event.kind:
            case Kind.TEXT_DELTA | Kind.REASONING_DELTA if data["part_id"] in texts:
                verb = "says" if event.kind is Kind.TEXT_DELTA else "thinks"
                yield f"{verb}: {texts.pop(data['part_id'])}"
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
            case Kind.TOOL_FINISHED if rig.tools[data["tool"]] != "ask":
                yield f"{rig.tools[data['tool']]}: {data['status']}"


def ended(end: TurnEnd) -> str:
    used = f", {end.usage.input_tokens}+{end.usage.output_tokens}" if end.usage else ""
    return f"{end.outcome}{used}"
