"""What a conversation is made of, where no terminal is needed to see it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from gateway.cli.chat.asked import asked_of
from gateway.cli.chat.inputs import Inputs
from gateway.cli.chat.paper import Paper
from gateway.cli.chat.rows import rows
from gateway.cli.chat.tools import Tools
from gateway.cli.chat.turns import OpenTurns, Purpose
from gateway.cli.webhook import Webhook


@given(st.lists(st.tuples(st.just(""), st.text("ab\u6f22 ", max_size=30))), st.integers(2, 9))
def test_rows_hold_all_and_fit(text: list[tuple[str, str]], columns: int) -> None:
    """Nothing is lost in breaking a line, and no row is wider than the terminal."""
    cut = ["".join(part[1] for part in row) for row in rows([*text], columns)]
    assert "".join(cut) == "".join(said for _, said in text)
    assert all(0 < get_cwidth(row) <= columns for row in cut)


@given(st.lists(st.text("ab\n", max_size=10)))
def test_paper_keeps_the_order(pieces: list[str]) -> None:
    """However text is cut, its lines come whole and once, the last one when it is finished."""
    changes: list[None] = []
    paper = Paper(lambda: changes.append(None))
    taken = ""
    for piece in pieces:
        paper.write(piece)
        taken += paper.take()
        assert "\n" not in paper.open_line
    paper.finish()
    taken += paper.take()
    assert taken.removesuffix("\n") == "".join(pieces).removesuffix("\n")
    assert len(changes) >= len(pieces)


def test_a_line_without_end_is_bounded() -> None:
    """An agent that never ends a line does not fill our memory with it."""
    paper = Paper(lambda: None)
    for _ in range(100):
        paper.write("x" * 1000)
    assert len(paper.open_line) <= 16 * 1024
    assert paper.has_finished


def test_inputs_are_remembered_within_bounds(tmp_path: Path) -> None:
    """The newest 500, none that is huge, for the next conversation, too."""
    path = tmp_path / "state" / "inputs.jsonl"
    inputs = Inputs(path)
    for number in range(510):
        inputs.append_string(f"{number}\nsecond line")
    inputs.append_string("x" * 100_000)
    path.write_text(path.read_text() + "{broken\n5\n")
    kept = list(Inputs(path).load_history_strings())
    assert kept[0] == "509\nsecond line"
    assert len(kept) <= 500
    for _ in range(300):
        inputs.append_string("y" * 9_000)
    assert path.stat().st_size < 1_100_000
    assert path.stat().st_mode & 0o077 == 0


def test_inputs_that_cannot_be_kept(tmp_path: Path) -> None:
    """A folder that cannot be written to is no reason not to talk."""
    (tmp_path / "file").write_text("")
    inputs = Inputs(tmp_path / "file" / "inputs.jsonl")
    inputs.append_string("hi")
    assert list(inputs.load_history_strings()) == []


def tool(call_id: str, kind: str = "tool.started", **data: object) -> Webhook:
    about = {"tool": "bash", "call_id": call_id, **data}
    return Webhook(
        event_type="agent.event", agent_id="a", request_id="r", seq=1, kind=kind, data=about
    )


def test_tools_that_never_end_are_bounded() -> None:
    """Neither those of a turn that goes on, nor those of one that has ended, pile up."""
    tools = Tools()
    for number in range(500):
        tools.started(tool(str(number), input={"command": "sleep 9"}))
    assert len(tools.at_work) == 100
    tools.ended("r")
    assert tools.at_work == []


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"input": {"command": "ls\nls"}, "output": "one"}, "✓ bash: ls ls · one"),
        ({"input": {"n": 1}, "output": "a\nb"}, '✓ bash: {"n":1} · 2 lines'),
        ({"input": {}, "status": "completed"}, "✓ bash"),
        ({"input": {"path": "x"}, "status": "error", "error": "no\x1b"}, "✗ bash: x · no␛"),
        ({"input": ["x"], "status": "error"}, '✗ bash: ["x"] · error'),
    ],
)
def test_a_tool_is_a_line(data: dict[str, object], line: str) -> None:
    """Its name, what it was called with in short, and how it ended."""
    assert Tools().finished(tool("c", "tool.finished", **data)).text == line


def test_what_is_too_long_to_show_is_told() -> None:
    """Nobody allows what they have not been told of."""
    data = {"tool": "bash", "input": {"command": "x" * 10_000 + "rm -r /"}}
    shown = asked_of("permission.asked", data).shown()
    assert "… and 4,016 more characters" in shown
    many = {"tool": "bash", "input": {"command": "\n" * 500 + "rm -r /"}}
    assert "more characters" in asked_of("permission.asked", many).shown()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"questions": "no"},
        {"questions": [1, {"question": None, "options": "no"}, {"options": [3, {}]}]},
        {"tool": 5, "input": [1], "options": [2, "sometimes"]},
    ],
)
@pytest.mark.parametrize("kind", ["permission.asked", "question.asked"])
def test_nonsense_is_asked_harmlessly(kind: str, data: dict[str, object]) -> None:
    """Whatever a backend says, there is something to see and a way to answer."""
    asked = asked_of(kind, data)
    assert asked.shown()
    assert asked.label
    answers = [asked.take("y") for _ in range(3)]
    assert any(isinstance(answer, dict) for answer in answers)


def test_turns_take_their_turn() -> None:
    """A turn's time begins when the one before it has ended; orders wait for nobody."""
    now = [10.0]
    turns = OpenTurns(clock=lambda: now[0])
    turns.open("one", Purpose.MESSAGE, said="first")
    assert turns.open("two", Purpose.MESSAGE).waited
    turns.open("now", Purpose.NOW)
    turns.open("stop", Purpose.ORDER)
    now[0] = 14.0
    assert [turn.request_id for turn in turns.waiting] == ["one", "now", "two"]
    assert turns.running_s() == 4.0
    turns.close("now")
    turns.close("one")
    now[0] = 15.0
    assert turns.running is not None
    assert (turns.running.request_id, turns.running_s()) == ("two", 1.0)
    for number in range(2000):
        turns.open(str(number), Purpose.MESSAGE)
    assert len(turns.waiting) <= 1000
