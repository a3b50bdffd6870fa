"""`forge diff`, in a pipe and on a terminal."""

import json

from tests.gateway.cli.command import forge, terminal
from tests.gateway.cli.scripted_gateway import ScriptedGateway

TEXT = (
    "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-one\n+\x1b[31mtwo\n"
    "diff --git a/y b/y\n"
)
FILES = [
    {"path": "x", "status": "modified", "additions": 1, "deletions": 1},
    {"path": "large\x1b[2J", "status": "modified", "left_out": True},
]


async def test_piped_it_is_a_patch(peer: ScriptedGateway) -> None:
    """Byte for byte, and what is to be said besides goes to standard error."""
    peer.diff = {
        "request_id": "r1",
        "turns": ["r0", "r1"],
        "files": FILES,
        "diff": TEXT,
        "truncated": True,
    }
    told = await forge(
        "diff", "agt-1", "--turn", "r1", env={"FORGE_URL": peer.url, "FORGE_USER": "ada"}
    )
    assert (told.status, told.out) == (0, TEXT)
    assert "too large or not readable: large" in told.err
    assert "pause between: r0\n" in told.err
    assert "there is more" in told.err
    assert "\x1b" not in told.err
    assert peer.calls[-1][1] == "/api/v1/agents/agt-1/diff?request_id=r1&user_id=ada"


async def test_nothing_changed_is_said(peer: ScriptedGateway) -> None:
    """Beside an empty patch."""
    told = await forge("diff", "agt-1", env={"FORGE_URL": peer.url})
    assert (told.status, told.out, told.err) == (0, "", "nothing has changed\n")


async def test_programs_get_json(peer: ScriptedGateway) -> None:
    """The gateway's own answer."""
    peer.diff = {"files": FILES, "diff": TEXT}
    told = await forge("diff", "agt-1", "--json", env={"FORGE_URL": peer.url})
    assert json.loads(told.out) == peer.diff


async def test_a_terminal_shows_colours_and_obeys_nothing(peer: ScriptedGateway) -> None:
    """Lines that came and went are told apart; what files hold drives no terminal."""
    peer.diff = {"files": FILES[:1], "diff": TEXT}
    async with terminal("diff", "agt-1", env={"FORGE_URL": peer.url}) as shown:
        assert await shown.ended() == 0
        assert "\x1b[31m-one" in shown.shown
        assert "\x1b[32m+" in shown.shown
        assert "\x1b[31mtwo" not in shown.shown
        assert "\x1b[1m--- a/x" in shown.shown
