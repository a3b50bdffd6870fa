"""What the CLI keeps stands in for the journal, and the journal for the CLI."""

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import BackendCrashed, NotRecalled
from agent_runtime.journal import bookmarks, retention
from agent_runtime.model import BackendEvent, Kind, Outcome, TurnEnd, Usage
from agent_runtime.server.messages import messages
from agent_runtime.turns import recall
from agent_runtime.turns.command import check
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import message
from tests.agent_runtime.turns.bench import Bench, bench
from tests.agent_runtime.turns.scripted import ScriptedBackend, until_interrupted

Messages = list[dict[str, Any]]


async def keeps(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    """The CLI's own words differ from what it streamed, so that one sees whose they are."""
    await sink.session(f"ses-{len(backend.sessions)}")
    await sink.bookmark(f"at {content}")
    said = msgspec.json.encode({"text": f"streamed {content}", "part_id": "1"})
    await sink.emit(BackendEvent("x", b"{}", Kind.TEXT, said))
    kept = msgspec.json.encode({"text": f"kept {content}", "part_id": "1"})
    backend.remembers[f"at {content}"] = Recalled(content, ((Kind.TEXT, kept),))
    return TurnEnd(outcome=Outcome.COMPLETED, usage=Usage(input_tokens=3, output_tokens=2))


async def keeps_then_stalls(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    await keeps(backend, content, sink)
    return await until_interrupted(backend, content, sink)


async def page(b: Bench, **request: Any) -> tuple[Messages, str]:
    told = await messages(b.journal, b.recall, agent_pb2.MessagesRequest(**request))
    return [msgspec.json.decode(one) for one in told.messages_json], told.next_cursor


async def answers(b: Bench, **request: Any) -> list[str]:
    told, _ = await page(b, **request)
    return [one["text"] for one in told if one["role"] == "assistant"]


async def say(b: Bench, *contents: str) -> None:
    for content in contents:
        await b.runner.submit(message(content, content, ticket=b""))
        await b.until(content)


async def trim(b: Bench, *, forget_before: int = 0) -> None:
    """Events of all turns go, and the first turns themselves."""
    await b.journal.caught_up()
    b.journal._space._max_bytes = 0
    await b.journal._space.trim()
    bounds = retention.Bounds(before_turn=forget_before)
    await b.journal._writer.submit(partial(retention.forget, bounds=bounds))


async def test_the_cli_tells_what_it_keeps(tmp_path: Path) -> None:
    """Its words; the rest is the turn's: ids, times, files' names, how it ended, what it used."""
    png = agent_pb2.Attachment(filename="a.png", mime_type="image/png", data=b"\x89PNG\r\n\x1a\n")
    send = agent_pb2.SendMessageRequest(content="one", attachments=[png])
    async with bench(tmp_path, keeps) as b:
        await b.runner.submit(check(agent_pb2.AgentRequest(request_id="r1", send_message=send)))
        await b.until("r1")
        first, _ = await page(b)
        await trim(b, forget_before=99)
        assert await page(b) == (first, "")
    user, assistant = first
    assert user.pop("timestamp") <= assistant.pop("timestamp")
    common = {"request_id": "r1", "session_id": "ses-0", "source": "cli"}
    files = [{"filename": "a.png", "mime_type": "image/png"}]
    assert user == {"role": "user", **common, "text": "one", "attachments": files}
    usage = {"input_tokens": 3, "output_tokens": 2}
    assert assistant == {
        "role": "assistant",
        **common,
        "text": "kept one",
        "outcome": "completed",
        "usage": usage,
    }


async def test_a_session_is_asked_for_its_own_prompts(tmp_path: Path) -> None:
    """Each once, in order, with the prompt that follows; all sessions are one conversation."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one", "two")
        b.backend.sessions.append("another")
        await say(b, "three")
        assert await answers(b) == ["kept one", "kept two", "kept three"]
        assert b.backend.recalls == [
            Bookmarks("ses-0", ("at one", "at two")),
            Bookmarks("ses-1", ("at three",)),
        ]
        b.backend.recalls.clear()
        assert await answers(b, limit=2, forward=True) == ["kept one"]
        assert b.backend.recalls == [Bookmarks("ses-0", ("at one",), before="at two")]


async def test_a_session_that_is_gone_is_the_journals_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CLI still tells the others."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        b.backend.sessions.append("another")
        await say(b, "two")
        recalls = b.backend.recall

        async def knows_one_only(wanted: Bookmarks) -> Mapping[str, Recalled]:
            if wanted.session_id == "ses-0":
                raise NotRecalled("there is no such session")
            return await recalls(wanted)

        monkeypatch.setattr(b.backend, "recall", knows_one_only)
        assert await answers(b) == ["streamed one", "kept two"]


@pytest.mark.parametrize(
    "error", [NotRecalled("gone"), BackendCrashed("dead"), KeyError("a fault"), None]
)
async def test_the_journal_stands_in_for_the_cli(tmp_path: Path, error: Exception | None) -> None:
    """Whatever is wrong with it, its having forgotten included; each message says from where."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one", "two")
        b.backend.recall_error = error
        del b.backend.remembers["at one"]
        told, _ = await page(b)
    told_by = ["streamed one", "kept two" if error is None else "streamed two"]
    assert [one["text"] for one in told if one["role"] == "assistant"] == told_by
    second = "cli" if error is None else "journal"
    assert [one["source"] for one in told] == ["journal", "journal", second, second]


async def test_a_cli_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the journal tells; the next page asks again."""

    async def silent(_: Bookmarks) -> dict[str, Recalled]:
        await asyncio.Event().wait()
        raise AssertionError

    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        with monkeypatch.context() as patched:
            patched.setattr("agent_runtime.server.messages.LIMIT_S", 0.1)
            patched.setattr(b.backend, "recall", silent)
            assert await answers(b) == ["streamed one"]
        assert await answers(b) == ["kept one"]
        assert recall.LIMIT_S < 20


async def test_without_the_capability_it_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal tells."""
    without = frozenset(Capability) - {Capability.HISTORY}
    monkeypatch.setattr(ScriptedBackend, "capabilities", without)
    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        assert await answers(b) == ["streamed one"]
        assert b.backend.recalls == []


async def test_what_did_not_complete_is_told_by_the_journal_while_it_can(tmp_path: Path) -> None:
    """It has what was streamed; a turn that runs is never asked for."""
    async with bench(tmp_path, keeps_then_stalls) as b:
        await b.runner.submit(message("one", "one", ticket=b""))
        await b.until_prompted("one")
        assert await answers(b) == ["streamed one"]
        assert b.backend.recalls == []
        b.backend.interrupted.set()
        await b.until("one")
        assert await answers(b) == ["streamed one"]
        await trim(b)
        assert await answers(b) == ["kept one"]


async def test_the_cli_is_woken_only_for_what_is_nowhere_else(tmp_path: Path) -> None:
    """It starts between turns, without one; a start that fails is no error of whoever asks."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        b.backend.running = False
        b.backend.recall_error = NotRecalled("asleep", asleep=True)
        assert (await answers(b), b.backend.running) == (["streamed one"], False)
        await trim(b)
        b.backend.start_error = BackendCrashed("it is not there")
        assert await answers(b) == [""]
        b.backend.start_error = None
        await answers(b)
        assert b.backend.running
        assert b.backend.prompts == ["one"]
        b.backend.recall_error = None
        assert await answers(b) == ["kept one"]


async def test_a_message_that_comes_while_the_cli_is_woken_starts_it_no_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the same start, then runs as any other; whoever asked is told."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        b.backend.running = False
        begun, goes, starts = asyncio.Event(), asyncio.Event(), []

        async def start() -> None:
            starts.append(len(b.backend.prompts))
            begun.set()
            await goes.wait()
            b.backend.running = True

        monkeypatch.setattr(b.backend, "start", start)
        wishes = [asyncio.create_task(b.runner.wakeup.wish()) for _ in range(2)]
        async with asyncio.timeout(10):
            await begun.wait()
        await b.runner.submit(message("two", "two", ticket=b""))
        assert b.backend.prompts == ["one"]
        goes.set()
        await asyncio.gather(*wishes)
        await b.until("two")
        assert starts == [1]


async def test_a_fault_while_the_cli_is_woken_ends_no_runner(tmp_path: Path) -> None:
    """Whoever wished for it is told that it does not run; messages go on."""
    async with bench(tmp_path, keeps) as b:
        b.backend.running = False
        b.backend.start_error = RuntimeError("a fault of the adapter")
        with pytest.raises(NotRecalled, match="agent's log"):
            await asyncio.wait_for(b.runner.wakeup.wish(), 10)
        b.backend.start_error = None
        await say(b, "one")
        assert b.backend.prompts == ["one"]


async def test_what_nobody_can_tell_is_not_passed_over(tmp_path: Path) -> None:
    """That there was a turn, how it ended and what it used; `truncated` says that words lack."""
    async with bench(tmp_path, keeps) as b:
        await say(b, "one")
        await trim(b, forget_before=99)
        b.backend.remembers.clear()
        user, assistant = (await page(b))[0]
    assert (user["text"], user["truncated"], user["source"]) == ("", True, "journal")
    assert (assistant["text"], assistant["truncated"]) == ("", True)
    assert (assistant["outcome"], assistant["request_id"]) == ("completed", "one")
    assert assistant["usage"] == {"input_tokens": 3, "output_tokens": 2}


async def test_cursors_hold_while_the_journal_forgets(tmp_path: Path) -> None:
    """A page leads to the one before it, whoever tells either by then; none has a gap."""
    names = ["a", "b", "c", "d", "e"]
    async with bench(tmp_path, keeps) as b:
        await say(b, *names)
        newest, cursor = await page(b, limit=4)
        await trim(b, forget_before=b.journal.turn("d").turn)
        older, cursor = await page(b, limit=4, cursor=cursor)
        oldest, end = await page(b, limit=4, cursor=cursor)
        assert end == ""
        read = [one["request_id"] for one in oldest + older + newest if one["role"] == "user"]
        assert read == names
        onward, cursor = await page(b, limit=6, forward=True)
        rest, end = await page(b, limit=6, cursor=cursor, forward=True)
        assert (onward + rest, end) == ((await page(b))[0], "")
        assert [one["request_id"] for one in onward + rest][::2] == names


async def test_bookmarks_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest stay, long after their turns."""
    monkeypatch.setattr(bookmarks, "MAX_KEPT", 2)
    async with bench(tmp_path, keeps) as b:
        await say(b, "one", "two", "three")
        await trim(b, forget_before=99)
        assert await answers(b) == ["kept two", "kept three"]
