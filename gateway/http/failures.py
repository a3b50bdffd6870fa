"""What goes wrong behind this point becomes an answer; what nobody expected is logged, too."""

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import KeyringError
from gateway.http import problems
from gateway.http.endpoint import TRACE
from gateway.http.operations import Trace

_logger = logging.getLogger(__name__)


class Failures:
    """Around the router. The scope's `app` tells starlette that exceptions are answered here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        scope["app"] = self
        try:
            await self._app(scope, receive, sending)
        except Exception as error:
            if started:
                raise
            problem = problems.of(error)
            if problem.status == 500:
                _log(error, scope[TRACE])
            elif isinstance(error, KeyringError):
                _log_key(error, scope[TRACE])
            await problem.response()(scope, receive, send)


def _log_key(error: KeyringError, trace: Trace) -> None:
    """Only who runs the gateway can mend it."""
    fields = {"request": trace.request, "agent": trace.agent, "reason": str(error)}
    _logger.error("gateway_key_unusable", extra=fields)


def _log(error: Exception, trace: Trace) -> None:
    _logger.error(
        "request_failed",
        exc_info=error,
        extra={"request": trace.request, "route": trace.route, "agent": trace.agent},
    )
