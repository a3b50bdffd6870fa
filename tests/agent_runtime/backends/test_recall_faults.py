"""Histories that are broken, half written or very large: told as far as they can be."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent_runtime.backends.claude_code import history as claude_history
from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.opencode import history as opencode_history
from agent_runtime.backends.protocol import Backend
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.errors import NotRecalled
from agent_runtime.model import Kind
from tests.agent_runtime.backends.place import Place
from tests.agent_runtime.backends.started import started
from tests.peers import codex_peer, opencode_peer

DEEP = "[" * 5000 + "]" * 5000


def encoded(told: object) -> str:
    return msgspec.json.encode(told).decode()


def story(recalled: Recalled) -> list[str]:
    """What the user said, then texts and tools."""
    told = [recalled.text]
    for kind, data in recalled.events:
        fields = msgspec.json.decode(data)
        told.append(fields["text"] if kind is Kind.TEXT else f"{fields['tool']} {kind}")
    return told


# Claude Code: a file.


def line(kind: str, uuid: str, *blocks: Mapping[str, Any], **more: Any) -> str:
    stop = {"stop_reason": more.pop("stop", None)} if kind == "assistant" else {}
    message = {"id": f"m-{uuid}", "role": kind, "content": blocks, **stop}
    return encoded({"type": kind, "uuid": uuid, "message": message, **more})


def text(said: str) -> Mapping[str, Any]:
    return {"type": "text", "text": said}


def asks(uuid: str, said: str) -> str:
    return line("user", uuid, text(said), promptSource="sdk")


CALL = {"type": "tool_use", "id": "c1", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "ok"}


def test_other_lines_of_a_session_are_passed_over(tmp_path: Path) -> None:
    """Garbage, what subagents said, and what the CLI says to itself or only to the model."""
    lines = [
        *("not json", "[1]", '{"type":"user"}', '{"type":"assistant","message":5}', DEEP),
        asks("u1", "One."),
        '{"type":"api-request","of":{"type":"user"}}',
        line("user", "x1", text("<system-reminder>"), isMeta=True),
        line("assistant", "a1", CALL, stop="tool_use"),
        line("assistant", "s1", text("Sub."), isSidechain=True, stop="end_turn"),
        line("user", "r1", RESULT),
        '{"type":"assistant", half a line',
        line("user", "x2", text("In short: ..."), isCompactSummary=True),
        line("assistant", "a2", text("Done."), stop="end_turn"),
        asks("u2", "Two."),
        line("assistant", "a3", text("API Error"), isApiErrorMessage=True),
    ]
    file = tmp_path / "s.jsonl"
    file.write_text("\n".join(lines) + "\n")
    found = claude_history.recall(file, ("u1@0", "u2@0", "gone@0"))
    assert story(found["u1@0"]) == ["One.", "Bash tool.started", "Bash tool.finished", "Done."]
    assert story(found["u2@0"]) == ["Two."]
    assert found.keys() == {"u1@0", "u2@0"}
    assert claude_history.recall(file, (f"u1@{file.stat().st_size}",)) == {}


def test_what_is_still_being_written_is_not_told(tmp_path: Path) -> None:
    """Half of an answer must not pass for the whole: the journal has it."""
    file = tmp_path / "s.jsonl"
    half = [asks("u1", "One."), line("assistant", "a1", CALL, stop="tool_use")]
    end = line("assistant", "a2", text("Done."), stop="end_turn")
    for written, told in (
        ("\n".join(half) + "\n", []),
        ("\n".join([*half, end[:40]]), []),
        ("\n".join([*half, end]) + "\n", ["u1@0"]),
        ("\n".join([*half, asks("u2", "Two.")]) + "\n", ["u1@0"]),
        ("\n".join([*half, line("user", "i", text("[Request interrupted]"))]) + "\n", ["u1@0"]),
    ):
        file.write_text(written)
        assert list(claude_history.recall(file, ("u1@0",))) == told


def test_a_very_long_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not held in memory; what follows is read."""
    monkeypatch.setattr(claude_history, "_MAX_LINE_BYTES", 1000)
    file = tmp_path / "s.jsonl"
    end = line("assistant", "a2", text("Done."), stop="end_turn")
    long = line("assistant", "a1", text("x" * 5000), stop="tool_use")
    file.write_text("\n".join([long, asks("u1", "One."), long, end]) + "\n")
    assert story(claude_history.recall(file, ("u1@0",))["u1@0"]) == ["One.", "Done."]


def test_no_more_is_read_than_may_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts that would be too much together are left out."""
    monkeypatch.setattr(claude_history, "MAX_BYTES", 1500)
    file = tmp_path / "s.jsonl"
    large = line("assistant", "a1", text("x" * 1000), stop="end_turn")
    file.write_text("\n".join([asks("u1", "One."), large, asks("u2", "Two."), large]) + "\n")
    assert list(claude_history.recall(file, ("u1@0", "u2@0"))) == ["u1@0"]


def test_a_session_without_a_file_is_not_told() -> None:
    """Raised, so that one sees why."""
    with pytest.raises(NotRecalled, match="no such session"):
        claude_history.recall(None, ("u1@0",))


# OpenCode: pages, newest first.


def said(role: str, message_id: str, *parts: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"info": {"id": message_id, "role": role}, "parts": parts}


def opencode(place: Place, folder: Path, *pages: str) -> Backend:
    script = opencode_peer.PeerScript(history=list(pages))
    options = {"FORGE_OPENCODE_BIN": str(opencode_peer.binary(folder, script))}
    return OpenCodeBackend.create(place.context(options=options))


async def test_pages_are_read_back_to_the_prompt(place: Place, tmp_path: Path) -> None:
    """A prompt over several pages is whole; what the CLI told itself to go on belongs to it."""
    pages = [
        [
            said("user", "u2", text("Two.")),
            said("assistant", "a3", text("Second.")),
            said("user", "c", {"type": "compaction"}, {**text("Go on."), "synthetic": True}),
            said("assistant", "a4", text("Still.")),
        ],
        [said("assistant", "a1", text("First.")), said("assistant", "a2", text("More."))],
        [said("user", "u0", text("Other.")), said("user", "u1", text("One."))],
        [said("user", "never", text("asked for"))],
    ]
    backend = opencode(place, tmp_path, *map(encoded, pages))
    async with started(backend):
        found = await backend.recall(Bookmarks("ses_1", ("u1/5", "u2/6"), before="u3/7"))
        again = await backend.recall(Bookmarks("ses_1", ("gone/1",)))
    assert story(found["u1/5"]) == ["One.", "First.", "More."]
    assert story(found["u2/6"]) == ["Two.", "Second.", "Still."]
    assert again == {}


@pytest.mark.parametrize("page", ["", "{}", '[{"info":5}]', f"[{DEEP}]", None])
async def test_a_history_of_another_form_is_not_told(
    place: Place, tmp_path: Path, page: str | None
) -> None:
    """Nor one that is not there; the CLI goes on."""
    backend = opencode(place, tmp_path, *([] if page is None else [page]))
    async with started(backend):
        with pytest.raises(NotRecalled, match="another form" if page is not None else "404"):
            await backend.recall(Bookmarks("ses_1", ("u1/5",)))
        assert backend.running


async def test_what_is_too_large_is_left_out(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before it is told, and no more is read."""
    monkeypatch.setattr(opencode_history, "MAX_BYTES", 5000)
    small = encoded([said("user", "u2", text("Two.")), said("assistant", "a2", text("Short."))])
    large = encoded([said("user", "u1", text("One.")), said("assistant", "a1", text("x" * 9000))])
    backend = opencode(place, tmp_path, small, large)
    async with started(backend):
        found = await backend.recall(Bookmarks("ses_1", ("u1/5", "u2/6")))
    assert list(found) == ["u2/6"]


# Codex: items of a turn.


def codex(place: Place, folder: Path, *pages: str) -> Backend:
    script = codex_peer.PeerScript(history=[msgspec.Raw(page.encode()) for page in pages])
    options = {"FORGE_CODEX_BIN": str(codex_peer.binary(folder, script))}
    return CodexBackend.create(place.context(options=options))


def items(*told: Mapping[str, Any], more: str | None = None) -> str:
    return encoded({"data": [{"item": item} for item in told], "nextCursor": more})


async def test_items_are_read_to_the_last(place: Place, tmp_path: Path) -> None:
    """What went into the running turn is no prompt of its own."""
    first = {"type": "userMessage", "content": [{"type": "image", "url": "x"}, text("One.")]}
    steered = {"type": "userMessage", "content": [text("Also.")]}
    pages = [
        items(first, {"type": "agentMessage", "text": "First."}, more="2"),
        items(steered, {"type": "agentMessage", "text": "Then."}, {"type": "unheardOf"}),
        items(),
    ]
    backend = codex(place, tmp_path, *pages)
    async with started(backend):
        found = await backend.recall(Bookmarks("thread_1", ("t1", "gone")))
        with pytest.raises(NotRecalled, match="not supported"):
            await backend.recall(Bookmarks("thread_1", ("t1",)))
        assert backend.running
    assert list(found) == ["t1"]
    texts = [msgspec.json.decode(data)["text"] for _, data in found["t1"].events]
    assert (found["t1"].text, texts) == ("One.", ["First.", "Then."])


@pytest.mark.parametrize("page", ["[]", '{"data":[{"item":5}]}', '{"data":5}'])
async def test_items_of_another_form_are_not_told(place: Place, tmp_path: Path, page: str) -> None:
    """The CLI goes on."""
    backend = codex(place, tmp_path, page)
    async with started(backend):
        with pytest.raises(NotRecalled):
            await backend.recall(Bookmarks("thread_1", ("t1",)))
        assert backend.running


async def test_a_cli_that_does_not_run_says_so(place: Place, tmp_path: Path) -> None:
    """It could tell, if it were started: that is for whoever asks to decide."""
    for backend in (opencode(place, tmp_path), codex(place, tmp_path)):
        with pytest.raises(NotRecalled) as refused:
            await backend.recall(Bookmarks("s", ("t1",)))
        assert refused.value.asleep
