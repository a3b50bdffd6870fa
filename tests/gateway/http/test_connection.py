"""What a single connection may cost, and in which order it is answered."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.http import connection
from gateway.http.connection import BoundedProtocol
from tests.gateway.http.conftest import WEBHOOK, Door
from tests.gateway.http.wire import exchange, post, read_answer

App = Callable[..., Awaitable[None]]
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
PATH = "/api/v1/agents/a1/messages?user_id=ada"
MESSAGE = post(PATH, b'{"content": "hi", "webhook_url": "%b"}' % WEBHOOK["webhook_url"].encode())


class Hasty(BoundedProtocol):
    """With no patience for slow heads and readers."""

    head_timeout_s = 0.1
    stall_timeout_s = 0.1


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[tuple[int, set[Any]]]:
    """The port where Hasty serves, and the connections that are open."""
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None)
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Hasty(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    async with server:
        yield server.sockets[0].getsockname()[1], state.connections


def answering(body: bytes, ended: asyncio.Event) -> App:
    async def app(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        length = (b"content-length", b"%d" % (2 * len(body)))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": body})
        finally:
            ended.set()

    return app


async def test_a_head_that_does_not_come_is_not_waited_for() -> None:
    """Connections that say nothing, or drip, are closed after the limit."""
    async with serving(answering(b"", asyncio.Event())) as (port, _):
        for said in (b"", b"GET / HTTP/1.1\r\nHost: x"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()


async def test_empty_lines_keep_no_connection_alive() -> None:
    """They are the begin of a head, which has its limit however many come."""
    async with serving(answering(b"x", asyncio.Event())) as (port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET + b"\r\n")
        assert (await asyncio.wait_for(read_answer(reader), 5)).status == 200
        await write_until(asyncio.create_task(reader.read()), writer, b"\r\n")


async def write_until(
    over: "asyncio.Task[Any]", writer: asyncio.StreamWriter, piece: bytes
) -> None:
    """Write this again and again until that is over; then close."""
    async with asyncio.timeout(5):
        while not over.done():
            writer.write(piece)
            await asyncio.wait({over}, timeout=0.03)
    writer.close()


async def test_answers_that_nobody_reads_are_given_up() -> None:
    """Neither the request nor the connection is held longer than the limit."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(answering(b"x" * 2**24, ended)) as (port, connections):
        for last in (b"", b"Connection: close\r\n"):
            ended.clear()
            with socket.socket() as deaf:
                deaf.settimeout(0)
                await loop.sock_connect(deaf, ("127.0.0.1", port))
                await loop.sock_sendall(deaf, (GET + last + b"\r\n") * 2)
                await asyncio.wait_for(ended.wait(), 5)
                async with asyncio.timeout(5):
                    while connections:
                        await asyncio.sleep(0.01)


async def test_a_closed_connection_does_not_wait_for_its_reader() -> None:
    """An answer after which the connection closes is given up like any other."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving(answering(b"", ended)) as (port, connections):
        with socket.socket() as deaf:
            deaf.settimeout(0)
            await loop.sock_connect(deaf, ("127.0.0.1", port))
            await loop.sock_sendall(deaf, GET + b"\r\n")
            await asyncio.wait_for(ended.wait(), 5)
            (protocol,) = connections
            protocol.transport.write(b"x" * 2**24)
            protocol.transport.close()
            async with asyncio.timeout(5):
                while connections:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(("begin", "more"), [(b"", b"A: b\r\n" * 2000), (b"A: ", b"b" * 10_000)])
async def test_trailers_are_bounded(door: Door, begin: bytes, more: bytes) -> None:
    """Many small ones or one without end, before the answer or after it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    head = post("/api/v1/agents", b"", "Transfer-Encoding: chunked")
    writer.write(head.replace(b"Content-Length: 0\r\n", b"") + b"2\r\n{}\r\n0\r\n" + begin)
    refused = asyncio.create_task(read_answer(reader))
    await write_until(refused, writer, more)
    answer = await refused
    assert (answer.status, answer.json()["error"]) == (431, "request_header_fields_too_large")

    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(GET + CHUNKED + b"\r\n0\r\n" + begin)
    assert (await asyncio.wait_for(read_answer(reader), 5)).status == 200
    await write_until(asyncio.create_task(reader.read()), writer, more)


async def test_trailers_that_are_short_are_ignored(door: Door) -> None:
    """They change nothing about the request, and the connection goes on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for _ in range(2):
        writer.write(
            GET + CHUNKED + b"\r\n1\r\nx\r\n0\r\nHost: evil\r\nX-Request-Id: theirs\r\n\r\n"
        )
        answer = await asyncio.wait_for(read_answer(reader), 5)
        assert (answer.status, answer.headers["x-request-id"] != "theirs") == (200, True)
    writer.close()


async def test_a_body_in_small_pieces_is_no_long_head(door: Door) -> None:
    """What stands between the pieces may be more than the limit altogether."""
    body = b'{"owner_id": "ada"}' + b" " * connection.HEAD_LIMIT_BYTES
    head = post("/api/v1/agents", b"", "Transfer-Encoding: chunked")
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(head.replace(b"Content-Length: 0\r\n", b"") + pieces + b"0\r\n\r\n")
    assert (await asyncio.wait_for(read_answer(reader), 10)).status == 201
    writer.close()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * connection.HEAD_LIMIT_BYTES + b"\r\n\r\n",
        b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\n" + CHUNKED + b"\r\nZZ\r\n",
    ],
)
async def test_a_refusal_waits_for_its_turn(door: Door, nonsense: bytes) -> None:
    """What comes behind a request is refused after that request has been answered."""
    door.launcher.add("a1", "ada")
    door.commands.hold = asyncio.Event()
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(MESSAGE + nonsense)
    await asyncio.wait_for(door.commands.held.wait(), 5)
    door.commands.hold.set()
    answers = [await asyncio.wait_for(read_answer(reader), 5) for _ in range(2)]
    assert answers[0].status == 202
    assert answers[1].status in (400, 431)
    assert answers[1].headers["connection"] == "close"
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert not [agent for agent in door.launcher.agents if agent != "a1"]


async def test_a_broken_body_is_refused_once(door: Door) -> None:
    """Its request is not carried out."""
    head = post("/api/v1/agents", b"", "Transfer-Encoding: chunked")
    request = head.replace(b"Content-Length: 0\r\n", b"") + b"2\r\n{}\r\nZZ\r\n"
    assert (await exchange(door.port, request)).status == 400
    assert not door.launcher.agents
