"""`forge chat` on a terminal, with a real gateway and a real CLI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.conversation.talk import Talk
from tests.gateway.cli.command import CTRL_D, ENTER, Terminal, terminal
from tests.peers.gateway import House
from tests.peers.stub_model import Call, Say, Stall, StubModel


@asynccontextmanager
async def chatting(place: House, talk: Talk, home: Path) -> AsyncIterator[Terminal]:
    env = {"FORGE_URL": str(talk.client.http.base_url), "FORGE_USER": "ada", "HOME": str(home)}
    async with terminal("chat", talk.agent, env=env) as shown:
        await shown.until_last(">")
        yield shown
        shown.press(CTRL_D)
        assert await shown.ended() == 0
        assert "Traceback" not in shown.shown


async def test_a_whole_conversation(
    place: House, talk: Talk, model: StubModel, tmp_path: Path
) -> None:
    """What the CLI asks is answered in place, tools take a line, the end tells what it cost."""
    where = place.state / "agents" / talk.agent / "workspace" / "here"
    async with chatting(place, talk, tmp_path) as shown:
        model.script(
            Call("bash", {"command": "touch here", "description": "touch"}), Say("Here it is.")
        )
        shown.press(b"make it" + ENTER)
        await shown.until_last("y/a/n >")
        assert "? May it use bash?" in shown.rows
        assert any("touch here" in row for row in shown.rows)
        assert not where.exists()
        shown.press(b"y" + ENTER)
        await shown.until_row("✓ bash: touch here")
        await shown.until_row("Here it is.")
        await shown.until_row("completed in")
        assert where.exists()
        assert any("tokens in" in row for row in shown.rows)
        option = {"label": "A", "description": "a"}
        question = {"question": "Which?", "header": "Pick", "options": [option]}
        model.script(Call("question", {"questions": [question]}), Say("So be it."))
        shown.press(b"ask me" + ENTER)
        await shown.until_last("1 >")
        shown.press(b"1" + ENTER)
        await shown.until_row("So be it.")
        await shown.until_row("completed in", times=2)
        shown.press(b"/new" + ENTER)
        await shown.until_row("── a fresh conversation begins")
        shown.press(b"/history" + ENTER)
        await shown.until_row("Here it is.", times=2)


async def test_now_takes_the_place_of_what_runs(
    place: House, talk: Talk, model: StubModel, tmp_path: Path
) -> None:
    """Where the CLI cannot be steered the running turn ends, and this one goes before the queue.

    /interrupt ends one for nothing else.
    """
    async with chatting(place, talk, tmp_path) as shown:
        model.script(Stall("Hm"), Say("First."), Say("Then."))
        shown.press(b"dawdle" + ENTER)
        await shown.until_row("Hm")
        shown.press(b"later" + ENTER)
        await shown.until_row("── queued: a turn before it")
        shown.press(b"/now hurry" + ENTER)
        await shown.until_row("■ interrupted in")
        await shown.until_row("── now: hurry")
        await shown.until_row("── now: later")
        await shown.until_row("completed in", times=2)
        said = [row for row in shown.rows if row in ("First.", "Then.")]
        assert said == ["First.", "Then."]
        model.script(Stall("Hm again"))
        shown.press(b"dawdle" + ENTER)
        await shown.until_row("Hm again")
        shown.press(b"/interrupt" + ENTER)
        await shown.until_row("■ interrupted in", times=2)
