"""`forge chat` on a terminal, with real gateways that come and go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.gateway.cli.command import CTRL_C, CTRL_D, ENTER, Terminal, terminal
from tests.peers.gateway import House


@asynccontextmanager
async def chatting(url: str, agent: str, home: Path) -> AsyncIterator[Terminal]:
    env = {"FORGE_URL": url, "FORGE_USER": "ada", "HOME": str(home)}
    async with terminal("chat", agent, env=env) as shown:
        await shown.until_last(">")
        yield shown
        assert "Traceback" not in shown.shown


async def test_a_gateway_is_replaced(place: House, tmp_path: Path) -> None:
    """In the middle of a turn: nothing of it is lost or shown twice, and what is typed
    meanwhile comes after it."""
    first = await place.gateway()
    async with first.client() as client:
        agent = await client.create()
    gate = tmp_path / "gate"
    async with chatting(first.url, agent, tmp_path) as shown:
        shown.press(f"echo first; until [ -e {gate} ]; do sleep 0.1; done; echo b".encode() + ENTER)
        await shown.until_row("first", times=2)
        await first.kill()
        await shown.until_row("reconnecting: ")
        shown.press(b"echo next" + ENTER)
        await shown.until_row("trying for a minute")
        gate.touch()
        await place.gateway(PORT=first.url.rpartition(":")[2])
        await shown.until_row("completed in", times=2)
        said = [row for row in shown.rows if row in ("first", "b", "next")]
        assert said == ["first", "b", "next"]
        shown.press(CTRL_D)
        assert await shown.ended() == 0


async def test_ctrl_c_reaches_the_agent(place: House, tmp_path: Path) -> None:
    """Its turn ends as interrupted, the next one goes on; a refusal is the gateway's own."""
    gateway = await place.gateway()
    async with gateway.client() as client:
        agent = await client.create()
    (tmp_path / "note.txt").write_text("hi")
    async with chatting(gateway.url, agent, tmp_path) as shown:
        shown.press(b"echo begun; sleep 60" + ENTER)
        await shown.until_row("Ctrl-C interrupts")
        shown.press(b"echo after" + ENTER)
        await shown.until_row("── queued: a turn before it")
        shown.press(CTRL_C)
        await shown.until_row("■ interrupted in")
        await shown.until_row("── now: echo after")
        await shown.until_row("completed in")
        shown.press(b"/attach " + str(tmp_path / "note.txt").encode() + ENTER + b"look" + ENTER)
        await shown.until_row("it has no 'attach.text'")
        await shown.until_row("  1 still attached; /detach forgets them")
        shown.press(b"/detach" + ENTER)
        await shown.until_row("nothing is attached")
        shown.press(b"/model tiny" + ENTER)
        await shown.until_row("from the next message on: tiny")
        shown.press(b"/history 1" + ENTER)
        await shown.until_row("after", times=5)
        shown.press(b"echo milk > shopping" + ENTER)
        await shown.until_row("completed in", times=2)
        shown.press(b"/diff" + ENTER)
        await shown.until_row("+milk")
        assert "+++ b/shopping" in shown.rows
        shown.press(CTRL_C)
        await shown.until_row("Ctrl-C again leaves")
        shown.press(CTRL_C)
        assert await shown.ended() == 130
