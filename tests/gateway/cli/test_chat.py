"""forge chat on a terminal, with a gateway that says what a real one would say."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.command import (
    CTRL_C,
    CTRL_D,
    ENTER,
    LIMIT_S,
    Terminal,
    end,
    forge,
    start,
    terminal,
)
from tests.gateway.cli.scripted_gateway import COMPLETED, ScriptedGateway, failed, text

Refusal = tuple[int, Any, dict[str, str]]

PERMISSION = {
    "prompt_id": "per_1",
    "tool": "bash",
    "input": {"command": "rm -r build\n[y] once", "description": "clean\x1b[2J"},
    "options": ["once", "always", "reject"],
}
COLOUR = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [{"label": "red", "description": "warm"}, {"label": "blue", "description": ""}],
    "multiple": True,
}
QUESTION = {"prompt_id": "que_1", "questions": [COLOUR, {"question": "And why?", "options": []}]}


@asynccontextmanager
async def chatting(
    peer: ScriptedGateway, home: Path, *, columns: int = 80, **env: str
) -> AsyncIterator[Terminal]:
    """A conversation that has begun."""
    peer.seqs = itertools.count(101)
    given = {"FORGE_URL": peer.url, "FORGE_USER": "ada", "HOME": str(home), **env}
    async with terminal("chat", "agt-1", env=given, columns=columns) as shown:
        await shown.until_last(">")
        yield shown
        assert "Traceback" not in shown.shown


async def say(shown: Terminal, peer: ScriptedGateway, content: str) -> str:
    """Type it; the id of its turn."""
    shown.press(content.encode() + ENTER)
    body = await peer.called("POST", "/messages")
    return str(body["request_id"])


async def test_text_streams_and_tools_take_a_line(peer: ScriptedGateway, tmp_path: Path) -> None:
    """A line is seen before it is whole; a tool is one line, at work and when it has ended."""
    tool = {"tool": "bash", "call_id": "c", "input": {"command": "make test", "timeout": 9}}
    usage = {"input_tokens": 1200, "output_tokens": 7, "cost_usd": 0.0123}
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "hi")
        peer.tell(turn, [text("Hel")])
        await shown.until_row("Hel")
        peer.tell(turn, [text("lo\n"), {"kind": "tool.started", "data": tool}])
        await shown.until_row("▸ bash: make test")
        finished = {**tool, "status": "completed", "output": "a\nb\n"}
        peer.tell(
            turn, [{"kind": "tool.finished", "data": finished}, {**COMPLETED, "usage": usage}]
        )
        await shown.until_row("completed in")
        await shown.until_last(">")
        seen = shown.rows[2:]
        assert seen[:3] == ["> hi", "Hello", "✓ bash: make test · 2 lines"]
        assert seen[3].startswith("✓ completed in ")
        assert seen[3].endswith("s · 1,200 tokens in, 7 out · $0.0123")
        assert seen[4:] == [">"]
        shown.press(CTRL_D)
        assert await shown.ended() == 0


async def test_reasoning_is_dim(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What the model thinks can be told from what it says."""
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "hi")
        thought = {"kind": "reasoning.delta", "data": {"text": "hmm", "part_id": "r"}}
        peer.tell(turn, [thought, text("yes"), COMPLETED])
        await shown.until_row("completed in")
        assert "\x1b[2;3mhmm\x1b[0m" in shown.shown


async def test_long_lines_in_a_narrow_terminal(peer: ScriptedGateway, tmp_path: Path) -> None:
    """All of an unfinished line is seen, broken as the terminal breaks it, wide letters too."""
    said = "abcdefghijklmnopqrstuvwxyz" + "\u6f22" * 14
    async with chatting(peer, tmp_path, columns=20) as shown:
        turn = await say(shown, peer, "hi")
        peer.tell(turn, [text(said)])
        await shown.until_row("uvwxyz")
        at = shown.rows.index("abcdefghijklmnopqrst")
        assert "".join(shown.rows[at : at + 3]).replace(" ", "") == said
        peer.tell(turn, [text("\n"), COMPLETED])
        await shown.until_row("completed in")
        await shown.until_last(">")
        assert "".join(shown.rows[at : at + 3]).replace(" ", "") == said


async def test_permission_is_answered_in_place(peer: ScriptedGateway, tmp_path: Path) -> None:
    """All of what is asked is seen, harmless; a draft is put aside and comes back."""
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "clean up")
        shown.press(b"and then")
        await shown.until_last("> and then")
        peer.ask(turn, "permission.asked", PERMISSION)
        await shown.until_last("y/a/n >")
        at = shown.rows.index("? May it use bash?")
        assert shown.rows[at + 1 : at + 5] == [
            "  │ command: rm -r build",
            "  │ [y] once",
            "  │ description: clean␛[2J",
            "  [y] once  [a] always  [n] reject  (n WHY tells the model why)",
        ]
        shown.press(b"yes please" + ENTER)
        await shown.until_row("y/a/n answers what is asked")
        assert peer.bodies("POST", "/prompts/per_1") == []
        shown.press(b"n not now" + ENTER)
        body = await peer.called("POST", "/prompts/per_1")
        assert (body["decision"], body["message"]) == ("reject", "not now")
        await shown.until_last("> and then")
        peer.tell(turn, [COMPLETED])
        await shown.until_row("completed in", times=1)


async def test_what_the_policy_decides_is_not_asked(peer: ScriptedGateway, tmp_path: Path) -> None:
    """An asked event is no question to the user where nobody waits for the answer."""
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "clean up")
        peer.ask(turn, "permission.asked", PERMISSION, waits=False)
        await peer.called("GET", "/prompts")
        decided = {"prompt_id": "per_1", "decision": "once"}
        peer.tell(turn, [{"kind": "permission.answered", "data": decided}, COMPLETED])
        await shown.until_row("completed in")
        assert not any("May it" in row for row in shown.rows)


async def test_questions_take_numbers_and_texts(peer: ScriptedGateway, tmp_path: Path) -> None:
    """One after the other; numbers become labels, anything else is an answer itself."""
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "paint it")
        peer.ask(turn, "question.asked", QUESTION)
        await shown.until_last("1-2 >")
        at = shown.rows.index("? (1 of 2) Which colour?")
        assert shown.rows[at + 1 : at + 3] == ["  [1] red - warm", "  [2] blue"]
        shown.press(b"7" + ENTER)
        await shown.until_row("numbers, or an answer of your own", times=2)
        shown.press(b"2, 1" + ENTER)
        await shown.until_row("? (2 of 2) And why?")
        shown.press(b"it is nice" + ENTER)
        body = await peer.called("POST", "/prompts/que_1")
        assert body["answers"] == [["blue", "red"], ["it is nice"]]
        peer.tell(turn, [COMPLETED])
        await shown.until_row("completed in")


async def test_too_late_is_told(peer: ScriptedGateway, tmp_path: Path) -> None:
    """An answer that comes second says so in the gateway's words, and asks no more."""
    words = "prompt per_1 has been answered"
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "clean up")
        peer.ask(turn, "permission.asked", PERMISSION)
        await shown.until_last("y/a/n >")
        peer.refusals["/per_1"] = (409, {"error": "conflict", "message": words}, {})
        shown.press(b"y" + ENTER)
        await shown.until_row(f"✗ {words}")
        await shown.until_last(">")


async def test_answered_elsewhere(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What somebody else has decided, or the policy when its time was up, is asked no more."""
    decided = {"prompt_id": "per_1", "decision": "reject"}
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "clean up")
        peer.ask(turn, "permission.asked", PERMISSION)
        peer.ask(turn, "permission.asked", {**PERMISSION, "prompt_id": "per_2", "tool": "edit"})
        await shown.until_last("y/a/n >")
        peer.tell(turn, [{"kind": "permission.answered", "data": decided}])
        await shown.until_row("── decided without you: reject")
        await shown.until_row("? May it use edit?")
        shown.press(b"a" + ENTER)
        assert (await peer.called("POST", "/prompts/per_2"))["decision"] == "always"
        peer.tell(turn, [COMPLETED])
        await shown.until_row("completed in")
        assert not any("per_2" in row for row in shown.rows)


async def test_a_turn_from_elsewhere_is_joined(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What runs when the conversation begins is shown from its start, and can be interrupted."""
    peer.seqs = itertools.count(50)
    peer.tell("req_other", [text("begun\n")])
    async with chatting(peer, tmp_path) as shown:
        await shown.until_row("begun")
        assert "── turn req_other, sent elsewhere" in shown.rows
        shown.press(CTRL_C)
        await shown.until_row("interrupting; Ctrl-C again leaves")
        await shown.until_row("■ interrupted in")
        assert peer.bodies("POST", "/interrupt")[0]["target"] == "req_other"


async def test_an_interrupt_is_typed_too(peer: ScriptedGateway, tmp_path: Path) -> None:
    """/interrupt ends the turn that runs, as Ctrl-C does, and the conversation goes on."""
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "one")
        peer.tell(turn, [text("begun\n")])
        await shown.until_row("begun")
        shown.press(b"/interrupt" + ENTER)
        await shown.until_row("■ interrupted in")
        assert [body["target"] for body in peer.bodies("POST", "/interrupt")] == [turn]
        peer.tell(await say(shown, peer, "two"), [text("2\n"), COMPLETED])
        await shown.until_row("completed in")


async def test_queued_and_now(peer: ScriptedGateway, tmp_path: Path) -> None:
    """A message behind a running turn is told to wait; /now says it at once."""
    async with chatting(peer, tmp_path) as shown:
        first = await say(shown, peer, "one")
        shown.press(b"two" + ENTER)
        await shown.until_row("── queued: a turn before it")
        await shown.until_row("1 waiting")
        shown.press(b"/now three" + ENTER)
        await shown.until_row("> /now three")
        second, third = await called(peer, 3)
        assert (second["content"], third["content"], third["when"]) == ("two", "three", "now")
        peer.tell(third["request_id"], [COMPLETED])
        await shown.until_row("── told the running turn")
        peer.tell(first, [COMPLETED])
        peer.tell(second["request_id"], [text("2\n"), failed("PROMPT_ERROR", "no \x1b[31mmodel")])
        await shown.until_row("── now: two")
        await shown.until_row("PROMPT_ERROR: no ␛[31mmodel")


async def called(peer: ScriptedGateway, count: int) -> list[dict[str, str]]:
    """The bodies of so many messages, but the first."""
    await peer.until(lambda: len(peer.bodies("POST", "/messages")) == count)
    return list(peer.bodies("POST", "/messages")[1:])


async def test_a_gateway_that_breaks_off(peer: ScriptedGateway, tmp_path: Path) -> None:
    """Nothing is shown twice or left out; what was typed meanwhile is sent once."""
    peer.breaks = [(1, ""), (1, '{"error": "service_unavailable", "message": "it is going"}')]
    busy: Refusal = (503, {"error": "service_unavailable", "message": "it is going"}, {})
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "count")
        peer.tell(turn, [text("a"), text("b"), text("c\n")])
        await shown.until_row("abc")
        peer.refusals["/messages"] = busy
        shown.press(b"more" + ENTER)
        await shown.until_row("not sent yet; trying for a minute")
        del peer.refusals["/messages"]
        await called(peer, len(peer.bodies("POST", "/messages")) + 1)
        ids = {body["request_id"] for body in peer.bodies("POST", "/messages")[1:]}
        assert len(ids) == 1
        shown.press(CTRL_D)
        assert await shown.ended() == 0
        assert shown.rows[-1] == "what runs goes on; forge chat agt-1 shows it"


async def test_events_that_are_not_kept(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What is missed is told, a final too, and the conversation goes on with what comes."""
    peer.breaks = [(1, '{"error": "gone", "message": "events up to seq 9 are not kept"}')]
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "count")
        peer.tell(turn, [text("a\n"), text("b\n"), COMPLETED])
        await shown.until_row(f"── turn {turn} has ended meanwhile: completed")
        assert "✗ events up to seq 9 are not kept" in shown.rows
        shown.press(b"more" + ENTER)
        (second,) = await called(peer, 2)
        peer.tell(second["request_id"], [text("c\n"), COMPLETED])
        await shown.until_row("✓ completed in")
        assert [row for row in shown.rows if row in ("a", "b", "c")] == ["a", "c"]


async def test_no_gateway_any_more(peer: ScriptedGateway, tmp_path: Path) -> None:
    """While nothing answers that is seen, with the reason."""
    async with chatting(peer, tmp_path) as shown:
        await peer.called("GET", "/events")
        full: Refusal = (503, {"error": "service_unavailable", "message": "full"}, {})
        peer.refusals["/events"] = full
        peer.hang_up()
        await shown.until_row("reconnecting: ")
        peer.refusals.clear()
        await shown.until_gone("reconnecting")


async def test_twice_ctrl_c_leaves(peer: ScriptedGateway, tmp_path: Path) -> None:
    """Once is for the running turn, or a hint where nothing runs."""
    async with chatting(peer, tmp_path) as shown:
        shown.press(CTRL_C)
        await shown.until_row("Ctrl-C again leaves, as Ctrl-D does")
        shown.press(CTRL_C)
        assert await shown.ended() == 130


async def test_commands(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What is set is shown; names are completed; what is wrong is said."""
    (tmp_path / "note.txt").write_text("hi")
    answer = {"role": "assistant", "text": "Hello\x1b[2J", "outcome": "failed"}
    peer.messages = [{"role": "user", "text": "hi\nthere"}, answer]
    async with chatting(peer, tmp_path) as shown:
        for typed, expected in (
            (b"/model big\r", "from the next message on: big"),
            (b"/mo\t def\t\r", "from the next message on: default"),
            (b"/history 5\r", "Hello␛[2J"),
            (b"/new\r", "── a fresh conversation begins"),
            (f"/attach {tmp_path}/no\t\r".encode(), "attached note.txt (text/plain, 2 bytes)"),
            (b"/attach /nowhere\r", "✗ /nowhere cannot be read: No such file or directory"),
            (b"/attach\r", "✗ /attach FILE: an image, PDF or text"),
            (b"/nope\r", "✗ there is no /nope; /help lists what there is"),
            (b"/help\r", "/interrupt     end the running turn (Ctrl-C)"),
        ):
            shown.press(typed)
            await shown.until_row(expected)
        assert peer.bodies("PATCH", "/agt-1") == [{"model": "big"}, {"permission_mode": "default"}]
        assert "  there" in shown.rows
        await say(shown, peer, " /etc is a folder")
        body = await peer.called("POST", "/messages")
        assert body["content"] == "/etc is a folder"
        assert [file["filename"] for file in body["attachments"]] == ["note.txt"]
        shown.press(b"/quit\r")
        assert await shown.ended() == 0


async def test_pasted_lines_are_one_message(peer: ScriptedGateway, tmp_path: Path) -> None:
    """So are those that Alt-Enter begins; the next conversation remembers what was typed."""
    async with chatting(peer, tmp_path) as shown:
        shown.press(b"\x1b[200~one\r\ntwo\x1b[201~\x1b\rthree" + ENTER)
        body = await peer.called("POST", "/messages")
        assert body["content"] == "one\ntwo\nthree"
        await shown.until_row("  three")
    (kept,) = (tmp_path / ".local/state/forge").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    peer.tell(body["request_id"], [COMPLETED])
    async with chatting(peer, tmp_path) as shown:
        shown.press(b"\x1b[A")
        await shown.until_row("> one")


async def test_hostile_text(peer: ScriptedGateway, tmp_path: Path) -> None:
    """Nothing that the agent says reaches the terminal as a command."""
    evil = "\x1b]0;owned\x07\x9b31m\u202etxt"
    tool = {"tool": evil, "call_id": "c", "input": evil}
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "hi")
        peer.tell(turn, [text(evil), {"kind": "tool.started", "data": tool}])
        peer.ask(turn, "permission.asked", {"prompt_id": "p", "tool": evil, "input": evil})
        await shown.until_last("y/a/n >")
        peer.tell(turn, [{"kind": "tool.finished", "data": {**tool, "error": evil}}])
        peer.tell(turn, [failed(evil, evil)])
        await shown.until_row("failed in")
        assert not {"\x1b]", "\x07", "\x9b", "\u202e"} & set(shown.shown)
        assert "\x1b]" not in shown.shown


async def test_no_colour(peer: ScriptedGateway, tmp_path: Path) -> None:
    """NO_COLOR is honoured in all that is drawn."""
    async with chatting(peer, tmp_path, NO_COLOR="1") as shown:
        turn = await say(shown, peer, "hi")
        peer.tell(turn, [text("yes\n"), failed("PROMPT_ERROR", "no model")])
        await shown.until_row("failed in")
        await shown.until_last(">")
        codes = {code for part in shown.shown.split("\x1b[")[1:] for code in colours(part)}
        assert codes == set()


def colours(part: str) -> list[str]:
    """The colours that an escape sequence sets."""
    numbers, end, _ = part.partition("m")
    if not end or not numbers.replace(";", "").isdigit():
        return []
    return [code for code in numbers.split(";") if 30 <= int(code) < 50]


async def test_an_agent_that_is_gone_ends_it(peer: ScriptedGateway, tmp_path: Path) -> None:
    """In the gateway's words, with the terminal as it was."""
    async with chatting(peer, tmp_path) as shown:
        gone: Refusal = (404, {"error": "not_found", "message": "there is no agent agt-1"}, {})
        peer.refusals["/events"] = gone
        peer.hang_up()
        assert await shown.ended() == 1
        await shown.until_row("Error: there is no agent agt-1")


@pytest.mark.parametrize("status", [0, 143])
async def test_the_terminal_is_left_as_it_was(
    peer: ScriptedGateway, tmp_path: Path, status: int
) -> None:
    """However it ends, what is typed next is seen, and pasted as ever."""
    async with chatting(peer, tmp_path) as shown:
        assert not shown.echoes()
        if status:
            shown.terminate()
        else:
            shown.press(CTRL_D)
        assert await shown.ended() == status
        assert shown.echoes()
        assert shown.shown.rindex("\x1b[?2004l") > shown.shown.rindex("\x1b[?2004h")


async def test_to_dos_and_noise(peer: ScriptedGateway, tmp_path: Path) -> None:
    """A list of to-dos is a line; a status without words is none."""
    todos = [
        {"content": "sweep", "status": "completed"},
        {"content": "scrub", "status": "in_progress"},
        "?",
    ]
    async with chatting(peer, tmp_path) as shown:
        turn = await say(shown, peer, "clean up")
        peer.tell(
            turn,
            [
                {"kind": "status", "data": {"status": "busy"}},
                {"kind": "status", "data": {"status": "retry", "message": "model is busy"}},
                {"kind": "todo.updated", "data": {"todos": todos}},
                COMPLETED,
            ],
        )
        await shown.until_row("completed in")
        assert shown.rows[3:5] == ["· retry model is busy", "· 1 of 2 done, now: scrub"]


async def test_a_pipe_answers_too(peer: ScriptedGateway) -> None:
    """A line that comes while something is asked is the answer to it."""
    env = {"FORGE_URL": peer.url, "FORGE_USER": "ada"}
    peer.seqs = itertools.count(101)
    process = await start("chat", "agt-1", env=env)
    assert process.stdin
    try:
        process.stdin.write(b"clean up\ny\n")
        process.stdin.write_eof()
        turn = (await peer.called("POST", "/messages"))["request_id"]
        peer.ask(turn, "permission.asked", PERMISSION)
        assert (await peer.called("POST", "/per_1"))["decision"] == "once"
        peer.tell(turn, [COMPLETED])
        async with asyncio.timeout(LIMIT_S):
            out, err = await process.communicate()
    finally:
        await end(process)
    assert (process.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert [lines[2], lines[3], lines[8]] == ["> clean up", "? May it use bash?", "> y"]
    assert lines[-1].startswith("✓ completed in ")


@pytest.mark.parametrize("ending", ["", "\n"])
async def test_lines_of_a_pipe(peer: ScriptedGateway, ending: str) -> None:
    """Without a terminal each line is a message, sent when the one before it is done with."""
    peer.seqs = itertools.count(101)
    peer.script = [text("yes\n"), COMPLETED]
    env = {"FORGE_URL": peer.url, "FORGE_USER": "ada"}
    ended = await forge("chat", "agt-1", env=env, stdin=f"one\n\n/mode\ntwo{ending}".encode())
    assert (ended.status, ended.err) == (0, "")
    assert "\x1b" not in ended.out
    lines = [line for line in ended.out.splitlines()[2:] if "completed in" not in line]
    assert lines == ["> one", "yes", "> /mode", "what the CLI chooses", "> two", "yes"]


async def test_help_teaches() -> None:
    """What can be typed, and what keys do, without a gateway."""
    ended = await forge("chat", "--help", env={})
    assert ended.status == 0
    for word in ("/now TEXT", "Ctrl-C", "Ctrl-D", "y (once)", "/help", "forge chat 3f2a"):
        assert word in ended.out
