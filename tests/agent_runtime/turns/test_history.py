"""Turns as messages, from a real journal."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Invalid
from agent_runtime.model import BackendEvent, Code, Kind, Outcome, TurnEnd, Usage
from agent_runtime.server.messages import messages
from agent_runtime.turns.command import check
from agent_runtime.turns.cut import MAX_FIELD_BYTES
from agent_runtime.turns.history import MAX_PART_BYTES, MAX_TEXT, MAX_TOOLS_BYTES
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import message
from tests.agent_runtime.turns.bench import Bench, bench
from tests.agent_runtime.turns.scripted import ScriptedBackend, until_interrupted

PNG = agent_pb2.Attachment(filename="a.png", mime_type="image/png", data=b"\x89PNG\r\n\x1a\n")


def event(kind: Kind, **data: Any) -> BackendEvent:
    return BackendEvent("x", b'{"type":"x"}', kind, msgspec.json.encode(data))


async def works(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    """Thinks, calls a tool, says something in two parts, one of them in deltas."""
    call = {"tool": "bash", "call_id": "c1", "input": {"command": "ls"}}
    await sink.session("ses_1")
    for told in (
        event(Kind.REASONING, text="Hmm.", part_id="r"),
        event(Kind.TOOL_STARTED, **call, status="running"),
        event(Kind.TOOL_FINISHED, **call, status="completed", output="a.txt"),
        event(Kind.TEXT_DELTA, text="There ", part_id="1"),
        event(Kind.TEXT, text="There is ", part_id="1"),
        event(Kind.TEXT_DELTA, text=f"{content}", part_id="2"),
        event(Kind.TEXT_DELTA, text=".", part_id="2"),
        event(Kind.TEXT, text="Not mine", part_id="3", subagent="ses_2"),
        BackendEvent("other", b"{}"),
    ):
        await sink.emit(told)
    usage = Usage(input_tokens=3, output_tokens=2)
    return TurnEnd(outcome=Outcome.COMPLETED, usage=usage)


async def ask(b: Bench, **request: Any) -> tuple[list[dict[str, Any]], str]:
    page = await messages(b.journal, b.recall, agent_pb2.MessagesRequest(**request))
    return [msgspec.json.decode(one) for one in page.messages_json], page.next_cursor


async def test_a_turn_is_two_messages(tmp_path: Path) -> None:
    """Text, thoughts, tools and usage; of a file its name; subagents are left out."""
    send = agent_pb2.SendMessageRequest(content="one", attachments=[PNG])
    async with bench(tmp_path, works) as b:
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="r1", send_message=send)))
        await b.until("r1")
        told, cursor = await ask(b)
    assert cursor == ""
    user, assistant = told
    assert user.pop("timestamp")
    assert user == {
        "role": "user",
        "request_id": "r1",
        "session_id": "ses_1",
        "source": "journal",
        "text": "one",
        "attachments": [{"filename": "a.png", "mime_type": "image/png"}],
    }
    assert assistant.pop("timestamp")
    assert assistant == {
        "role": "assistant",
        "request_id": "r1",
        "session_id": "ses_1",
        "source": "journal",
        "text": "There is one.",
        "reasoning": "Hmm.",
        "tools": [
            {
                "tool": "bash",
                "call_id": "c1",
                "status": "completed",
                "input": {"command": "ls"},
                "output": "a.txt",
            }
        ],
        "usage": {"input_tokens": 3, "output_tokens": 2},
        "outcome": "completed",
    }


async def test_pages_lead_through_all_of_it(tmp_path: Path) -> None:
    """Back from the newest, or on from the oldest; each page is in order, none has a gap."""
    async with bench(tmp_path) as b:
        for number in range(5):
            await b.runner.submit(message(f"r{number}", f"m{number}"))
        await b.until("r4")
        backward: list[str] = []
        forward: list[str] = []
        for onward in (False, True):
            cursor, first = "", True
            while cursor or first:
                first = False
                told, cursor = await ask(b, cursor=cursor, limit=4, forward=onward)
                page = [one["text"] for one in told if one["role"] == "user"]
                assert page == sorted(page)
                if onward:
                    forward += page
                else:
                    backward = page + backward
    assert backward == forward == ["m0", "m1", "m2", "m3", "m4"]


async def test_a_turn_that_runs_is_shown_so_far_one_that_waits_not(tmp_path: Path) -> None:
    """No outcome yet."""
    async with bench(tmp_path, until_interrupted) as b:
        await b.runner.submit(message("r1", "one"))
        await b.runner.submit(message("r2", "two"))
        await b.until_prompted("one")
        told, _ = await ask(b)
        assert [one["request_id"] for one in told] == ["r1", "r1"]
        assert "outcome" not in told[1]


async def test_a_failure_and_a_large_output_are_told_in_short(tmp_path: Path) -> None:
    """The error as in the final; what is too large is in the events only."""

    async def fails(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        large = "x" * MAX_PART_BYTES
        call = {"tool": "bash", "call_id": "c1", "input": {}, "status": "completed"}
        await sink.emit(event(Kind.TOOL_FINISHED, **call, output=large))
        return TurnEnd(outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message="no model")

    async with bench(tmp_path, fails) as b:
        await b.runner.submit(message("r1"))
        await b.until("r1")
        told, _ = await ask(b)
    assert told[1]["error"] == {"code": "PROMPT_ERROR", "message": "no model"}
    (call,) = told[1]["tools"]
    assert call["truncated"] is True
    assert "output" not in call


async def test_what_was_said_goes_with_the_events(tmp_path: Path) -> None:
    """The files of a turn that has ended take no room, its text as long as its events do."""
    send = agent_pb2.SendMessageRequest(content="one", attachments=[PNG])
    async with bench(tmp_path, works) as b:
        request = agent_pb2.AgentRequest(request_id="r1", send_message=send)
        await b.runner.submit(check(request))
        await b.until("r1")
        kept = b.journal.history.said(b.journal.turn("r1").turn)
        assert (kept.send_message.content, kept.send_message.attachments[0].data) == ("one", b"")
        b.journal._space._max_bytes = 0
        await b.journal._space.trim()
        assert (await ask(b)) == ([], "")
        assert not b.journal.history.said(b.journal.turn("r1").turn).HasField("send_message")
        assert b.journal._space._kept_bytes == 0


@pytest.mark.parametrize("request_", [{"cursor": "x"}, {"limit": -1}, {"limit": 201}])
async def test_pages_are_checked(tmp_path: Path, request_: dict[str, Any]) -> None:
    """The field is named."""
    async with bench(tmp_path) as b:
        with pytest.raises(Invalid, match=next(iter(request_))):
            await ask(b, **request_)


async def test_a_text_that_was_cut_says_so(tmp_path: Path) -> None:
    """Its beginning is there, and nobody takes it for all of it."""

    async def shouts(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        await sink.emit(event(Kind.TEXT, text="x" * 10_000_000, part_id="1"))
        return TurnEnd(outcome=Outcome.COMPLETED)

    async with bench(tmp_path, shouts) as b:
        await b.runner.submit(message("r1"))
        await b.until("r1")
        told, _ = await ask(b)
    assert told[1]["text"] == "x" * MAX_FIELD_BYTES
    assert (told[1]["truncated"], told[1]["outcome"]) == (True, "completed")


async def test_a_turn_that_said_very_much_is_told_in_part(tmp_path: Path) -> None:
    """A page must not become too large to be sent: texts are cut, tools lose what they hold."""
    large, calls = "x" * (MAX_PART_BYTES - 2), MAX_TOOLS_BYTES // MAX_PART_BYTES + 2

    async def works_much(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        for number in range(calls):
            call = {"tool": "bash", "call_id": f"c{number}"}
            await sink.emit(event(Kind.TOOL_STARTED, **call, status="running"))
            await sink.emit(event(Kind.TOOL_FINISHED, **call, status="completed", output=large))
        for _piece in range(3):
            await sink.emit(event(Kind.TEXT_DELTA, text="x" * (MAX_TEXT // 2), part_id="1"))
        await sink.emit(event(Kind.TEXT_DELTA, text="the end", part_id="2"))
        return TurnEnd(outcome=Outcome.COMPLETED)

    async with bench(tmp_path, works_much) as b:
        await b.runner.submit(message("r1"))
        await b.until("r1")
        (_, assistant), _ = await ask(b)
    assert assistant["text"] == "x" * MAX_TEXT
    assert (assistant["truncated"], assistant["outcome"]) == (True, "completed")
    kept = [call["call_id"] for call in assistant["tools"] if "output" in call]
    assert kept == [f"c{number}" for number in range(calls - 2)]
    assert all(call["truncated"] for call in assistant["tools"][calls - 2 :])
