"""Listening: uvicorn inside an event loop that is not its own.

uvicorn by itself takes over the signals, exits the process when the port is
taken, and logs in its own way; none of that happens here.
"""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from gateway.errors import SettingsError
from gateway.http.connection import BoundedProtocol

BACKLOG = 2048
KEEP_ALIVE_S = 75
CANCELLED_S = 1.0
"""How long requests that were cut off may take to answer so."""


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves one application on one port. Owns the task that does.

    Args:
        port: 0 picks a free one; `url` tells which.
    """

    def __init__(self, app: ASGIApp, *, host: str, port: int) -> None:
        self._host = host
        self._port = port
        config = uvicorn.Config(
            app,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config = config
        self._server = _Uvicorn(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where to call it; a wildcard address is shown as loopback."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self._port}"

    async def start(self) -> None:
        """Listen, and serve in a task.

        Raises:
            SettingsError: it cannot listen there; names the variable.
        """
        listener = await asyncio.to_thread(listen, self._host, self._port)
        self._port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([listener]), name="http server")

    async def ended(self) -> None:
        """Returns when it serves no more; raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def stop(self, timeout_s: float) -> None:
        """Take no more, let requests in flight end within the limit, then cut them off.

        Connections whose peers do not read the answers are dropped in the end.
        """
        if self._task is None:
            return
        self._config.timeout_graceful_shutdown = max(1, round(timeout_s))
        self._server.should_exit = True
        try:
            await self._task
        finally:
            self._task = None
            await self._tasks_end()
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
            await self._tasks_end()

    async def _tasks_end(self) -> None:
        left = list(self._server.server_state.tasks)
        if left:
            await asyncio.wait(left, timeout=CANCELLED_S)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises SettingsError in words."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address, family=family, backlog=BACKLOG)
    except UnicodeError as error:  # what Python's IDNA codec makes of no name
        raise SettingsError(f"FORGE_HOST: {host!r} is no address of this machine") from error
    except OSError as error:
        raise SettingsError(_sentence(error, host, port)) from error
    return listener


def _sentence(error: OSError, host: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"FORGE_HOST: {host!r} is no address of this machine: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return f"PORT: {port} on {host} is in use; set another one, or 0 for any that is free"
    if error.errno == errno.EACCES:
        return f"PORT: {port} is not allowed to this user; set one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"FORGE_HOST: {host!r} is no address of this machine"
    return f"PORT: cannot listen on {host}:{port}: {error.strerror}"
