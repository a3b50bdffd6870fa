"""A webhook receiver: a real HTTP/1.1 server that records requests and answers by a script.

Written on bare streams, so that it can also do what no HTTP server would: hang,
drip, close without an answer.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from tests.peers.noticed import Noticed

_ENDS = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
"""What ends a connection: the other side, or the end of the test."""


@dataclass(frozen=True, slots=True)
class Hook:
    """One request as it came. Names of headers in lower case; `at_s` is monotonic."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float
    connection: int

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How one request is answered.

    Attributes:
        gate: answers only once it is set.
        hang: never answers, and keeps the connection open.
        close: closes the connection instead of answering.
        drip_s: sends the body a byte at a time, with so long between two.
        repeat: sends the body so often (and says so in Content-Length).
        raw: sent as it is, in the place of status, headers and body; also before `close`.
        flood: sent after it, again and again, until the connection ends.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    gate: asyncio.Event | None = None
    hang: bool = False
    close: bool = False
    drip_s: float = 0.0
    repeat: int = 1
    raw: bytes = b""
    flood: bytes = b""


class Receiver:
    """Answers by `script`, reply by reply, then by `default`; records everything."""

    def __init__(self, bound: socket.socket | None = None) -> None:
        """`bound`: where it listens once it is entered, and nobody before."""
        self._bound = bound
        self.hooks: list[Hook] = []
        self.script: deque[Reply] = deque()
        self.default: Callable[[Hook], Reply] = lambda _: Reply()
        self.connections = 0
        self.ended = 0
        self.sent_bytes = 0
        self.noticed = Noticed()
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        where = {"sock": self._bound} if self._bound else {"host": "127.0.0.1", "port": 0}
        self._server = await asyncio.start_server(self._accept, **where)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [hook.id for hook in self.hooks]

    async def wait(self, count: int, *, within_s: float = 10.0) -> list[Hook]:
        """The requests, once there are at least so many."""
        await self.noticed.until(lambda: len(self.hooks) >= count, within_s=within_s)
        return self.hooks

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        self.noticed.tell()
        number = next(self._numbers)
        try:
            with contextlib.suppress(*_ENDS):
                while await self._serve_one(reader, writer, number):
                    pass
        finally:
            writer.close()
            self.ended += 1
            self.noticed.tell()

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        hook = await _read(reader, number)
        self.hooks.append(hook)
        reply = self.script.popleft() if self.script else self.default(hook)
        self.noticed.tell()
        if reply.hang:
            await reader.read()
            return False
        if reply.close:
            writer.write(reply.raw)
            return False
        if reply.gate is not None:
            await reply.gate.wait()
        await self._answer(writer, reply)
        return True

    async def _answer(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        if reply.raw or reply.flood:
            writer.write(reply.raw)
            while reply.flood:
                writer.write(reply.flood)
                await writer.drain()
                await asyncio.sleep(0)
            return
        length = len(reply.body) * reply.repeat
        lines = [f"HTTP/1.1 {reply.status} Scripted", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if reply.drip_s:
            for byte in reply.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(reply.drip_s)  # the drip is what is scripted
            return
        for _ in range(reply.repeat):
            writer.write(reply.body)
            await writer.drain()
            self.sent_bytes += len(reply.body)
        await writer.drain()


async def _read(reader: asyncio.StreamReader, connection: int) -> Hook:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.rstrip("\r\n").split("\r\n")
    method, path, _ = request_line.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Hook(method, path, headers, body, time.monotonic(), connection)
