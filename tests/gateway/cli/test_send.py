"""forge send: a message, its turn, and the exit status."""

import json
from base64 import b64decode
from pathlib import Path

import pytest

from tests.gateway.cli.command import CTRL_C, end, forge, start, terminal
from tests.gateway.cli.scripted_gateway import COMPLETED, ScriptedGateway, failed, text
from tests.peers.files import PDF, PNG


def env_of(peer: ScriptedGateway) -> dict[str, str]:
    return {"FORGE_URL": peer.url, "FORGE_USER": "ada"}


async def test_shows_the_turn_and_succeeds(peer: ScriptedGateway) -> None:
    """Streamed text is joined, tools take a line each, the final tells outcome and time."""
    tool = {"tool": "bash", "call_id": "c"}
    peer.script = [
        text("Hel"),
        text("lo\nworld"),
        {"kind": "tool.started", "data": {**tool, "input": {"command": "ls"}}},
        {"kind": "tool.finished", "data": {**tool, "output": "a\nb", "status": "completed"}},
        {"kind": "other", "backend_event_type": "noise"},
        {**COMPLETED, "usage": {"input_tokens": 1200, "output_tokens": 7}},
    ]
    ended = await forge("send", "agt-1", "hi", env=env_of(peer))
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:4] == ["Hello", "world", '▸ bash: {"command":"ls"}', "✓ bash: a b"]
    assert lines[4].startswith("✓ completed in ")
    assert lines[4].endswith("1,200 tokens in, 7 out")
    assert "\x1b" not in ended.out


async def test_whole_text_is_not_shown_after_its_deltas(peer: ScriptedGateway) -> None:
    """A backend that sends a part as deltas and then whole is not shown saying it twice."""
    whole = {"kind": "text", "data": {"text": "once", "part_id": "a"}}
    other = {"kind": "text", "data": {"text": "new", "part_id": "b"}}
    peer.script = [text("on", "a"), text("ce", "a"), whole, other, COMPLETED]
    ended = await forge("send", "agt-1", "hi", env=env_of(peer))
    assert ended.out.splitlines()[:2] == ["once", "new"]


async def test_failed_turn_fails_the_command(peer: ScriptedGateway) -> None:
    """A script can tell a failed turn by the exit status, a person by the reason."""
    peer.script = [failed("PROMPT_ERROR", "no such model")]
    ended = await forge("send", "agt-1", "hi", env=env_of(peer))
    assert ended.status == 1
    assert "PROMPT_ERROR: no such model" in ended.out


async def test_hostile_text_never_reaches_the_terminal_raw(peer: ScriptedGateway) -> None:
    """What an agent says cannot drive the terminal, in no field that is shown."""
    evil = "\x1b]0;owned\x07\x9b31m\u202etxt[bold]"
    peer.script = [
        text(evil),
        {"kind": "tool.started", "data": {"tool": evil, "input": evil}},
        {"kind": "status", "data": {"text": evil}},
        failed(evil, evil),
    ]
    async with terminal("send", "agt-1", "hi", env=env_of(peer) | {"NO_COLOR": "1"}) as shown:
        assert await shown.ended() == 1
        await shown.until("failed in")
    assert not {"\x1b]", "\x07", "\x9b", "\u202e"} & set(shown.shown)
    assert "\x1b]" not in shown.shown
    assert "␛]0;owned␇\\u009b31m\\u202etxt[bold]" in shown.shown


async def test_json_prints_the_payloads(peer: ScriptedGateway) -> None:
    """With --json each line is a payload as it came, safe for a terminal too."""
    peer.script = [text("a\u009b\u202eb"), COMPLETED]
    ended = await forge("send", "agt-1", "hi", "--json", env=env_of(peer))
    first, last = map(json.loads, ended.out.splitlines())
    assert first["data"]["text"] == "a\u009b\u202eb"
    assert last["outcome"] == "completed"
    assert ended.out.isascii()


async def test_message_on_the_wire(peer: ScriptedGateway) -> None:
    """Options reach the gateway in wire form, the key as a bearer token, `-` from stdin."""
    peer.script = [COMPLETED]
    options = ("--request-id", "r-1", "--timeout", "1m30s")
    ended = await forge(
        "send",
        "agt-1",
        "-",
        *options,
        stdin=b"from stdin",
        env={"FORGE_URL": peer.url, "FORGE_API_KEY": "k"},
    )
    assert ended.status == 0
    method, path, body, key = peer.calls[0]
    assert (method, path, key) == ("POST", "/api/v1/agents/agt-1/messages", "Bearer k")
    assert body["content"] == "from stdin"
    assert (body["request_id"], body["timeout_s"]) == ("r-1", 90.0)


async def test_webhook_hands_over(peer: ScriptedGateway) -> None:
    """With --webhook the events go there, and the command ends with the 202."""
    where = ("--webhook", "http://127.0.0.1:9/hook", "--secret", "s")
    ended = await forge("send", "agt-1", "hi", *where, env=env_of(peer))
    assert (ended.status, ended.out) == (0, "req_1 accepted\n")
    sent = peer.bodies("POST", "/messages")[0]
    assert (sent["webhook_url"], sent["webhook_secret"]) == ("http://127.0.0.1:9/hook", "s")


async def test_files_go_along(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What each file is taken for, by what is in it, is told and sent."""
    peer.script = [COMPLETED]
    contents = {"dot.dat": PNG, "page": PDF, "a.ts": b"let a", "b.csv": b"1,2", "c.bin": b"\xff\0"}
    options: list[str] = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        options += ["--attach", str(tmp_path / name)]
    ended = await forge("send", "agt-1", "look", *options, env=env_of(peer))
    assert ended.status == 0
    assert f"attached dot.dat (image/png, {len(PNG)} bytes)\n" in ended.err
    sent = peer.bodies("POST", "/messages")[0]["attachments"]
    assert [(file["filename"], file["mime_type"]) for file in sent] == [
        ("dot.dat", "image/png"),
        ("page", "application/pdf"),
        ("a.ts", "text/plain"),
        ("b.csv", "text/csv"),
        ("c.bin", "application/octet-stream"),
    ]
    assert [b64decode(file["data"]) for file in sent] == list(contents.values())


async def test_files_that_are_none(peer: ScriptedGateway, tmp_path: Path) -> None:
    """What cannot be read is said by name, and nothing is sent."""
    for path, reason in ((tmp_path, "is no file"), (tmp_path / "gone", "cannot be read: No such")):
        ended = await forge("send", "agt-1", "look", "--attach", str(path), env=env_of(peer))
        assert ended.status == 1
        assert f"Error: {path} {reason}" in ended.err
    assert peer.calls == []


async def test_refused_files_in_the_gateways_words(peer: ScriptedGateway, tmp_path: Path) -> None:
    """Limits are the gateway's; what it says of them is what the user sees."""
    words = "attachments: at most 10, which FORGE_MAX_ATTACHMENTS sets"
    peer.refusals["/messages"] = (400, {"error": "bad_request", "message": words}, {})
    (tmp_path / "a.txt").write_text("a")
    path = str(tmp_path / "a.txt")
    ended = await forge("send", "agt-1", "look", "--attach", path, env=env_of(peer))
    assert (ended.status, ended.err.splitlines()[-1]) == (1, f"Error: {words}")


async def test_a_repeat_shows_the_turn_again(peer: ScriptedGateway) -> None:
    """A message that had been accepted before is not sent twice: its turn is read back."""
    peer.script = [text("once\n"), COMPLETED]
    for _ in range(2):
        ended = await forge("send", "agt-1", "hi", "--request-id", "r-1", env=env_of(peer))
        assert ended.status == 0
        assert ended.out.startswith("once\n✓ completed in ")


@pytest.mark.parametrize(
    "last_word", ["", '{"error": "service_unavailable", "message": "the gateway is going"}']
)
async def test_a_broken_stream_is_taken_up_again(peer: ScriptedGateway, last_word: str) -> None:
    """After the event that was seen last: nothing is shown twice, nothing is left out."""
    peer.script = [text("a"), text("b"), text("c"), COMPLETED]
    peer.breaks = [(1, last_word), (2, last_word)]
    ended = await forge("send", "agt-1", "hi", env=env_of(peer))
    assert ended.status == 0
    assert ended.out.startswith("abc\n✓ completed in ")
    assert ended.err.count("; reconnecting\n") == 2
    asked = [path for method, path, *_ in peer.calls if "/events" in path]
    assert ["after_seq=" in path for path in asked] == [False, True, True]


async def test_what_cannot_pass_ends_the_command(peer: ScriptedGateway) -> None:
    """Events that are not kept any more do not come back by waiting."""
    peer.script = [text("a\n"), COMPLETED]
    peer.breaks = [(1, '{"error": "gone", "message": "events up to seq 9 are not kept"}')]
    ended = await forge("send", "agt-1", "hi", env=env_of(peer))
    assert (ended.status, ended.out) == (1, "a\n")
    assert ended.err == "Error: events up to seq 9 are not kept\n"


async def test_ctrl_c_interrupts_the_turn(peer: ScriptedGateway) -> None:
    """Ctrl-C ends the turn, not only the watching: its final is shown, status 130."""
    peer.script = [text("working\n")]
    async with terminal("send", "agt-1", "hi", env=env_of(peer)) as shown:
        await shown.until("working")
        shown.press(CTRL_C)
        assert await shown.ended() == 130
        await shown.until("interrupted in")
    assert peer.bodies("POST", "/interrupt")[0]["target"] == "req_1"
    assert "Traceback" not in shown.shown


async def test_second_ctrl_c_leaves(peer: ScriptedGateway) -> None:
    """A gateway that does not end the turn cannot hold the terminal."""
    peer.script = [text("working\n")]
    peer.refusals["/interrupt"] = (503, {"error": "service_unavailable", "message": "not now"}, {})
    async with terminal("send", "agt-1", "hi", env=env_of(peer)) as shown:
        await shown.until("working")
        shown.press(CTRL_C)
        await shown.until("it could not be interrupted: not now")
        shown.press(CTRL_C)
        assert await shown.ended() == 130
    assert "Traceback" not in shown.shown


@pytest.mark.parametrize("command", [("send", "agt-1", "hi"), ("agents", "list")])
async def test_no_gateway(command: tuple[str, ...]) -> None:
    """Where nothing answers, one sentence says so and what to do."""
    ended = await forge(*command, env={"FORGE_URL": "http://127.0.0.1:9", "FORGE_USER": "ada"})
    assert ended.status == 1
    assert ended.err == (
        "Error: no gateway answers at http://127.0.0.1:9; "
        "start one with `forge serve`, or name it with FORGE_URL\n"
    )


async def test_wrong_time_is_a_usage_error(peer: ScriptedGateway) -> None:
    """Exit status 2 is for the command line, before anything is sent."""
    ended = await forge("send", "agt-1", "hi", "--timeout", "soon", env=env_of(peer))
    assert ended.status == 2
    assert "90s" in ended.err
    assert peer.calls == []


async def test_closed_pipe_ends_quietly(peer: ScriptedGateway) -> None:
    """`forge send ... | head -1` ends without a traceback, as commands in pipes do."""
    peer.script = [text("line\n") for _ in range(50)]
    process = await start("send", "agt-1", "hi", env=env_of(peer))
    assert process.stdout
    assert process.stderr
    try:
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # StreamReader has no close
        err = await process.stderr.read()
        assert await process.wait() == 1
    finally:
        await end(process)
    assert err == b""
