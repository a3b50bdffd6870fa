"""A receiver as a process of its own: `python -m tests.peers.sink ADDRESS PORT [options]`.

    POST /hook...   takes a webhook; `--errors` and `--hangs` of them it does not
    POST /reset     forgets what has arrived
    GET /stats      what has arrived (arrivals.Arrivals.stats)

`--ledger FILE` gets one JSON line for each payload that is taken (tests.peers.ledger),
before the answer is sent: so whatever was answered with 2xx is in there, though the
process is killed in between.
"""

import argparse
import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import click
import httptools

from tests.peers.arrivals import Arrivals
from tests.peers.ledger import lines

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAILURES = tuple(
    f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
    for status in ("500 Broken", "502 Broken", "503 Busy", "429 Slow\r\nRetry-After: 1")
)


@dataclass(slots=True)
class Sink:
    """Decides how each webhook is answered, by a seeded chance. Owned by the loop."""

    errors: float
    hangs: float
    chance: random.Random
    ledger_fd: int | None
    arrivals: Arrivals = field(default_factory=Arrivals)

    def answer(self, method: bytes, path: bytes, body: bytes, webhook_id: bytes) -> bytes | None:
        """None: it hangs."""
        if path.startswith(b"/hook"):
            return self._hook(body, webhook_id)
        if method == b"POST":
            self.arrivals = Arrivals()
            return _OK
        stats = self.arrivals.stats()
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(stats), stats)

    def _hook(self, body: bytes, webhook_id: bytes) -> bytes | None:
        drawn = self.chance.random()
        if drawn < self.hangs:
            return None
        if drawn < self.hangs + self.errors:
            return self.chance.choice(_FAILURES)
        if self.ledger_fd is not None:
            os.write(self.ledger_fd, lines(body, webhook_id.decode()))
        self.arrivals.add(body)
        return _OK


class _Connection(asyncio.Protocol):
    """One keep-alive connection; httptools calls the on_ methods."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        self._body: list[bytes] = []
        self._path = self._id = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        self._body.clear()
        answer = self._sink.answer(self._parser.get_method(), self._path, body, self._id)
        if answer is not None:
            self._transport.write(answer)


class _LedgerConnection(_Connection):
    """Looks at headers too, which costs a benchmark more than all else here."""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"webhook-id":
            self._id = value


async def serve(sink: Sink, host: str, port: int) -> None:
    """Until the process ends. Says on its first line where it listens."""
    loop = asyncio.get_running_loop()
    kind = _Connection if sink.ledger_fd is None else _LedgerConnection
    server = await loop.create_server(lambda: kind(sink), host, port, backlog=1024)
    bound = server.sockets[0].getsockname()[1]
    click.echo(f"listening on http://{host}:{bound}")
    await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--errors", type=float, default=0.0)
    parser.add_argument("--hangs", type=float, default=0.0)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--ledger", type=Path)
    given = parser.parse_args(arguments)
    ledger_fd = None
    if given.ledger is not None:
        ledger_fd = os.open(given.ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    sink = Sink(given.errors, given.hangs, random.Random(given.seed), ledger_fd)
    asyncio.run(serve(sink, given.host, given.port))


if __name__ == "__main__":
    main()
