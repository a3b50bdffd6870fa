"""`forge chat` on a terminal, with a real gateway and a real CLI."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.docs.page import ROOT
from tests.e2e.conversation.talk import Talk
from tests.e2e.conversation.test_prompts import workspace
from tests.gateway.cli.command import CTRL_D, ENTER, Terminal, terminal
from tests.peers.gateway import Client, House
from tests.peers.stub_model import MODEL, Call, Say, Stall, StubModel


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


def shown_on_the_page(talk: Talk) -> list[str]:
    """The first screen of docs/chat.md, of this agent and model."""
    page = (ROOT / "docs" / "chat.md").read_text("utf-8")
    screen = page.split("```\n")[1].replace("anthropic/claude-sonnet-4-5", MODEL)
    return plain(re.sub(r"agt-[0-9a-f]{16}", talk.agent, screen).splitlines())


def plain(rows: list[str]) -> list[str]:
    """Without the cursor, and how long it has been running."""
    return [re.sub(r"^\d+ s(?= ·)", "N s", row.removesuffix(" _")) for row in rows]


async def test_the_first_screen_of_its_page(
    place: House, client: Client, model: StubModel, tmp_path: Path
) -> None:
    """Row by row what the page shows."""
    agent = await client.create(backend="opencode", model=MODEL, permission_mode="default")
    talk = Talk(client, agent)
    (workspace(place, talk) / "build").mkdir()
    (workspace(place, talk) / "Makefile").write_text("test:\n\t@sleep 600\n")
    model.script(Say("Hello."))
    await talk.say("hello")  # by which the CLI has started
    model.script(
        Call(
            "bash",
            {"command": "rm -r build", "description": "tidy"},
            text="I will remove the old build first.",
        ),
        Call("bash", {"command": "make test", "description": "test"}),
    )
    async with chatting(place, talk, tmp_path) as shown:
        shown.press(b"clean up, then run the tests" + ENTER)
        for done in ("✓ bash: rm -r build", "▸ bash: make test"):
            await shown.until_last("y/a/n >")
            shown.press(b"y" + ENTER)
            await shown.until_row(done)
        await shown.until_last(">")
        shown.press(b"and write a summary" + ENTER)
        await shown.until_row("── queued: a turn before it")
        await shown.until_row("1 waiting")
        await shown.until_last(">")
        assert plain(shown.rows) == shown_on_the_page(talk)
