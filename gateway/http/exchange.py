"""Around every request: its id, its log line, its numbers, and whether its connection stays."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.endpoint import TRACE
from gateway.http.metrics import Metrics
from gateway.http.operations import Trace
from gateway.http.problems import Problem

MOST_OPEN = 1000
"""Requests answered at the same time; more are told to come back."""

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by machines all the time; logged at debug level unless they fail."""

_SANE_ID = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?")

_logger = logging.getLogger("gateway.http")


class Exchange:
    """The outermost ASGI application. Touched on the event loop only.

    Args:
        ready: whether new requests are wanted. While they are not, every answer
            closes its connection: the client's next request goes elsewhere, and
            none meets the end of this gateway.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, ready: Callable[[], bool]) -> None:
        self._app = app
        self._metrics = metrics
        self._ready = ready
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        trace = Trace(request=_request_id(Headers(scope=scope)))
        answer = _Answer(send, trace.request, self._ready)
        scope[TRACE] = trace
        self._open += 1
        try:
            if self._open > MOST_OPEN:
                await answer.problem(scope, receive, _crowded())
            else:
                await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            # Only the end of the shutdown limit cancels: the task ends here, answered.
            await answer.problem(scope, receive, _going())
        finally:
            self._open -= 1
            self._record(scope["method"], trace, answer.status, time.perf_counter() - started)

    def _record(self, method: str, trace: Trace, status: int, seconds: float) -> None:
        self._metrics.observe(method=method, route=trace.route, status=status, seconds=seconds)
        quiet = trace.route in QUIET and status < 500
        fields = {
            "method": method,
            "route": trace.route,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "key": trace.key,
            "agent": trace.agent,
            "request_id": trace.request_id,
            "request": trace.request,
        }
        _logger.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra={name: value for name, value in fields.items() if value != ""},
        )


class _Answer:
    """Sends one answer, with X-Request-Id, and remembers its status (499: none was sent)."""

    def __init__(self, send: Send, request: str, ready: Callable[[], bool]) -> None:
        self._send = send
        self._request = request
        self._ready = ready
        self.status = 499

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._request
            if not self._ready():
                headers["Connection"] = "close"
        await self._send(message)

    async def problem(self, scope: Scope, receive: Receive, problem: Problem) -> None:
        if self.status == 499:
            await problem.response()(scope, receive, self)


def _request_id(headers: Headers) -> str:
    """The caller's, if it can go into a header and a log line; else a new one."""
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def _crowded() -> Problem:
    return Problem(503, "too many requests at once; repeat", {"Retry-After": "1"})


def _going() -> Problem:
    return Problem(503, "the gateway is going; repeat with another one", {"Retry-After": "1"})
