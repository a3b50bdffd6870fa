"""One TCP connection: what uvicorn's parser lets through, bounded, and refused in our form.

The parser itself keeps a head of any size, waits for it for ever, and answers
what it cannot parse in plain text.
"""

import asyncio
import secrets

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.http import problems

HEAD_LIMIT_BYTES = 64 * 1024
"""Request line and headers together."""

DISCARD_LIMIT_BYTES = 64 * 1024 * 1024
"""How much of a body that has been answered already is still read, so that its
sender gets to see the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """Touched by the event loop's callbacks of its one transport only.

    Attributes:
        head_timeout_s: from a head's first byte (or the connection's begin) to its
            end, and from an early answer to the end of the body it refused.
    """

    head_timeout_s = 30.0
    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0
    _discarded_bytes = 0
    _too_large = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._discarded_bytes = 0
        self._arm()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._disarm()
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEAD_LIMIT_BYTES:
            self._too_large = True
            raise ValueError("the head is too large")  # the parser stops and answers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > DISCARD_LIMIT_BYTES:
                self.transport.close()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.more_body:
            self._arm()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        if self._too_large:
            self._refuse_head()
        else:
            self._answer(400, "this is no HTTP request that can be understood")

    def _refuse_head(self) -> None:
        self._answer(431, f"request line and headers together are over {HEAD_LIMIT_BYTES} bytes")

    def _answer(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        content = problems.body(status, message)
        head = {
            "content-type": problems.JSON,
            "content-length": str(len(content)),
            "x-request-id": secrets.token_hex(8),
            "connection": "close",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        self.transport.write(STATUS_LINE[status] + lines.encode("ascii") + b"\r\n" + content)
        self.transport.close()

    def _arm(self) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(self.head_timeout_s, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._arm()  # an earlier request of the pipeline is still being answered
        elif not self.transport.is_closing():
            self.transport.close()
