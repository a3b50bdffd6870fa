"""Listening and draining."""

import asyncio
import socket

import pytest

from gateway.errors import SettingsError
from gateway.http.server import HttpServer, listen
from tests.gateway.http.conftest import WEBHOOK, open_door
from tests.gateway.http.wire import exchange, post, read_answer

PATH = "/api/v1/agents/a1/messages?user_id=ada"
BODY = {"content": "hi", **WEBHOOK}


async def test_a_request_in_flight_is_finished() -> None:
    """After stop begins nobody new is let in, and who is in gets the answer."""
    async with open_door() as door:
        door.launcher.add("a1", "ada")
        door.commands.hold = asyncio.Event()
        request = asyncio.create_task(door.http.post(PATH, json=BODY))
        await asyncio.wait_for(door.commands.held.wait(), 5)
        stop = asyncio.create_task(door.server.stop(5))
        async with asyncio.timeout(5):
            while await can_connect(door.port):
                await asyncio.sleep(0.01)
        assert not stop.done()
        door.commands.hold.set()
        assert (await request).status_code == 202
        await asyncio.wait_for(stop, 5)


async def can_connect(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_a_request_that_takes_too_long_is_cut_off_with_an_answer() -> None:
    """At the end of the limit the caller is told to repeat, in our form."""
    async with open_door() as door:
        door.launcher.add("a1", "ada")
        door.commands.hold = asyncio.Event()
        request = asyncio.create_task(door.http.post(PATH, json=BODY))
        await asyncio.wait_for(door.commands.held.wait(), 5)
        await asyncio.wait_for(door.server.stop(1), 5)
        answer = await request
        assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
        assert "retry-after" in answer.headers


async def test_requests_of_one_connection_are_answered_in_order() -> None:
    """Pipelined requests, one with a body, each get their own answer."""
    async with open_door() as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        get = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: %d\r\n\r\n"
        writer.write(get % 1 + post("/api/v1/agents", b'{"owner_id": "a"}') + get % 3)
        answers = [await asyncio.wait_for(read_answer(reader), 5) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 201, 200]
        assert answers[0].headers["x-request-id"] == "1"
        assert answers[2].headers["x-request-id"] == "3"
        writer.close()


async def test_a_refused_body_does_not_cost_the_connection() -> None:
    """After a 413 the same connection can be used again."""
    async with open_door() as door:
        big = b"x" * 100_000
        limit = door.settings.max_body_bytes
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(post("/api/v1/agents", b"").replace(b"Length: 0", b"Length: %d" % (limit + 1)))
        assert (await asyncio.wait_for(read_answer(reader), 5)).status == 413
        sent = 0
        while sent < limit + 1:
            chunk = big[: limit + 1 - sent]
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await asyncio.wait_for(read_answer(reader), 5)).status == 200
        writer.close()


async def test_a_hundred_at_once_are_answered() -> None:
    """Callers do not wait for each other."""
    async with open_door() as door:
        door.launcher.add("a1", "ada")
        calls = [door.http.post(PATH, json=BODY) for _ in range(100)]
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["request_id"] for answer in answers}) == 100


async def test_a_taken_port_is_a_sentence() -> None:
    """The variable is named, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"^PORT: {port} on 127.0.0.1 is in use; set "):
            listen("127.0.0.1", port)


def test_a_host_that_is_none_is_a_sentence() -> None:
    """Names and addresses that are not this machine's are refused by name."""
    for host in ("192.0.2.1", "no such host", "127.0.0.1\n", "a..b"):
        with pytest.raises(SettingsError, match=r"^FORGE_HOST: "):
            listen(host, 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("localhost", "localhost")],
)
async def test_the_url_can_be_called(host: str, shown: str) -> None:
    """A wildcard is shown as an address that a client can use."""

    async def nothing(*_: object) -> None: ...

    server = HttpServer(nothing, host=host, port=80)
    assert server.url == f"http://{shown}:80"


async def test_ipv6_is_served_where_there_is_any() -> None:
    """The loopback of IPv6 works like the other."""
    try:
        listener = listen("::1", 0)
    except SettingsError:
        pytest.skip("there is no IPv6 on this machine")
    with listener:
        assert listener.family == socket.AF_INET6


async def test_a_connection_that_says_nothing_is_dropped_quietly() -> None:
    """The next one is served, in the older HTTP, too."""
    async with open_door() as door:
        _, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.close()
        answer = await exchange(door.port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert answer.status == 200
