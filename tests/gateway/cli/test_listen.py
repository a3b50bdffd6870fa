"""forge listen: what is signed is shown, what is not is refused."""

import re

import httpx

from tests.gateway.cli.command import CTRL_C, Terminal, end, start, terminal
from tests.gateway.cli.scripted_gateway import COMPLETED, Payload, signed, text

SECRET = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMDE="
ENV = {"FORGE_WEBHOOK_SECRET": SECRET}


async def url_shown(shown: Terminal) -> str:
    await shown.until("(Ctrl-C ends)")
    found = re.search(r"http://127\.0\.0\.1:\d+/", shown.shown)
    assert found
    return found[0]


async def post(url: str, payload: Payload, webhook_id: str, secret: str = SECRET) -> int:
    named = {"event_type": "agent.event", "agent_id": "a", "request_id": "r", "seq": 1}
    body, headers = signed(named | payload, secret, webhook_id)
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.post(url, content=body, headers=headers)).status_code


async def test_terminal_shows_turns_and_refusals() -> None:
    """On a terminal text streams joined, a forgery is refused and shown, Ctrl-C ends with 0."""
    async with terminal("listen", "--port", "0", env=ENV) as shown:
        url = await url_shown(shown)
        assert await post(url, text("Hel"), "a_1") == 200
        await shown.until("Hel")
        assert await post(url, text("lo"), "a_2") == 200
        assert await post(url, text("lo"), "a_2") == 200  # again: shown once
        assert await post(url, text("forged"), "a_3", secret="whsec_Zm9yZ2Vk") == 401
        assert await post(url, COMPLETED, "a_r_final") == 200
        await shown.until("completed in")
        shown.press(CTRL_C)
        assert await shown.ended() == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.shown)
    assert "── agent a · turn r\r\nHello\r\n" in plain
    assert "✗ refused a delivery: no matching signature found (webhook-id a_3)" in plain
    assert "forged" not in plain
    assert "Traceback" not in plain


async def test_two_turns_are_told_apart() -> None:
    """Where two turns speak in turn, each piece stands under its own name."""
    async with terminal("listen", "--port", "0", env=ENV | {"NO_COLOR": "1"}) as shown:
        url = await url_shown(shown)
        await post(url, text("one"), "a_1")
        await post(url, {**text("two"), "request_id": "s"}, "a_2")
        await post(url, text("three"), "a_3")
        await shown.until("three")
    turns = re.findall(r"turn (\w+)\s+(\w+)", re.sub(r"\x1b\[[0-9;]*m", "", shown.shown))
    assert turns == [("r", "one"), ("s", "two"), ("r", "three")]


async def test_pipe_gets_json_lines_only() -> None:
    """With --json stdout holds payloads and nothing else; SIGTERM ends it with 0."""
    process = await start("listen", "--port", "0", "--json", env=ENV)
    assert process.stdout
    assert process.stderr
    try:
        hello = (await process.stderr.readline()).decode()
        url = hello.split()[2]
        await post(url, text("hi"), "a_1")
        line = await process.stdout.readline()
        assert b'"text": "hi"' in line
        process.terminate()
        out, err = await process.communicate()
    finally:
        await end(process)
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_new_secret_is_shown_and_works() -> None:
    """Without a secret it makes one and says how to use it."""
    async with terminal("listen", "--port", "0", env={}) as shown:
        await shown.until("--secret")
        url = await url_shown(shown)
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", shown.shown)
        assert secret
        assert await post(url, text("hi"), "a_1", secret=secret[0]) == 200


async def test_others_may_send_where_that_is_asked_for() -> None:
    """In a container the gateway is another machine: --host opens it to those."""
    async with terminal("listen", "--host", "0.0.0.0", "--port", "0", env=ENV) as shown:
        await shown.until("(Ctrl-C ends)")
        found = re.search(r"http://0\.0\.0\.0:(\d+)/", shown.shown)
        assert found
        assert await post(f"http://127.0.0.1:{found[1]}/", text("hi"), "a_1") == 200


async def test_taken_port_and_broken_secret() -> None:
    """What cannot work is said in a sentence, with status 1."""
    async with terminal("listen", "--port", "0", env=ENV) as first:
        port = (await url_shown(first)).rpartition(":")[2].rstrip("/")
        async with terminal("listen", "--port", port, env=ENV) as second:
            await second.until("give another one with --port")
            assert await second.ended() == 1
    async with terminal("listen", env={"FORGE_WEBHOOK_SECRET": "whsec_!"}) as shown:
        await shown.until("must be base64")
        assert await shown.ended() == 1
