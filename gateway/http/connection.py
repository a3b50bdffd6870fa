"""One TCP connection: what uvicorn's parser lets through, bounded, and refused in our form.

The parser itself keeps a head or trailers of any size and waits for them for
ever, waits as long for answers to be read, leaves the body of a request unread
that would rather speak another protocol, and answers what it cannot parse in
plain text and out of turn.
"""

import asyncio
import secrets

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.http import problems
from gateway.http.deadline import Deadline

HEAD_LIMIT_BYTES = 64 * 1024
"""Request line and headers together; likewise what stands between pieces of a
chunked body, and after them."""

DISCARD_LIMIT_BYTES = 64 * 1024 * 1024
"""How much of a body that has been answered already is still read, so that its
sender gets to see the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """Touched by the event loop's callbacks of its one transport only.

    Attributes:
        head_timeout_s: from a head's first byte (or the connection's begin) to its
            end, and from an early answer to the end of the body it refused.
        stall_timeout_s: how long answers may wait to be read.
    """

    head_timeout_s = 30.0
    stall_timeout_s = 60.0
    _in_head = True
    _loose_bytes = 0
    """Received since the parser last told of something that the limits count."""
    _discarded_bytes = 0
    _too_large = False
    _refusal: bytes | None = None
    """What answers the first bytes that are no request; after it nothing is read."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._coming = Deadline(self.loop, self._stop_waiting)
        self._unread = Deadline(self.loop, self._stop_writing)
        self._coming.set(self.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._coming.met()
        self._unread.met()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._loose_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserUpgrade:
            pass  # CONNECT, which has been answered
        except httptools.HttpParserError:
            self._refuse_nonsense()
        if self._loose_bytes > HEAD_LIMIT_BYTES:
            self._refuse_size()
        elif self._in_head and self._loose_bytes and not self._coming.pending:
            self._coming.set(self.head_timeout_s)  # of a head that begins with an empty line

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as stopped:
                if not self._wants_upgrade():
                    raise
                rest = rest[stopped.args[0] :]
                head = self._head_without_upgrade()
                self.parser = httptools.HttpRequestParser(self)
                self.parser.feed_data(head)
            else:
                return

    def _wants_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._discarded_bytes = 0
        self._coming.set(self.head_timeout_s)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers mean nothing here
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_LIMIT_BYTES:
            self._too_large = True
            raise ValueError("the head is too large")  # the parser stops and answers
        if self._wants_upgrade():
            return
        super().on_headers_complete()
        self._in_head = False
        self._loose_bytes = 0
        self._coming.met()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._loose_bytes = 0
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > DISCARD_LIMIT_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        if self._wants_upgrade():
            return
        self._in_head = True
        self._loose_bytes = 0
        self._coming.met()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._refusal is not None and not self.pipeline:
            self._close_with(self._refusal)
        super().on_response_complete()
        if self.cycle.more_body and not self.transport.is_closing():
            self._coming.set(self.head_timeout_s)
        if self.transport.get_write_buffer_size():
            self._unread.set(self.stall_timeout_s)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread.set(self.stall_timeout_s)

    def _refuse_nonsense(self) -> None:
        if self._too_large:
            self._refuse_size()
        else:
            self._refuse(400, "this is no HTTP request that can be understood")

    def _refuse_size(self) -> None:
        self._refuse(431, f"the request line and the headers are over {HEAD_LIMIT_BYTES} bytes")

    def _refuse(self, status: int, message: str) -> None:
        """Answer after the requests before it, then close."""
        if self._refusal is not None or self.transport.is_closing():
            return
        self._refusal = _answer(status, message)
        self._coming.met()
        if not self._in_head:
            self._refuse_body()
        elif self.cycle is None or self.cycle.response_complete:
            self._close_with(self._refusal)

    def _refuse_body(self) -> None:
        """Of the last request that has begun: it is answered, is being answered, or waits."""
        if self.pipeline:
            self.pipeline.popleft()
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._close_with(self._refusal or b"")
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _close_with(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
            self._unread.set(self.stall_timeout_s)

    def _stop_waiting(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            # An earlier request of the pipeline is still being answered.
            self._coming.set(self.head_timeout_s)
        else:
            self.transport.close()

    def _stop_writing(self) -> None:
        """What has been written stays unread, and no answer is on its way behind it."""
        between = self.cycle is None or self.cycle.response_complete
        stuck = self.flow.write_paused or self.transport.is_closing()
        if (between or stuck) and self.transport.get_write_buffer_size():
            self.transport.abort()


def _answer(status: int, message: str) -> bytes:
    content = problems.body(status, message)
    head = {
        "content-type": problems.JSON,
        "content-length": str(len(content)),
        "x-request-id": secrets.token_hex(8),
        "connection": "close",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return STATUS_LINE[status] + lines.encode("ascii") + b"\r\n" + content
