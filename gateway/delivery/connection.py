"""Connections to receivers, which may send without end and still not answer.

aiohttp bounds each header and us the time; but it takes any number of interim
responses, and of answers that nobody asked for, as fast as they come: one such
receiver held everything else up for seconds.
"""

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_parser import RawResponseMessage
from aiohttp.tracing import Trace

MAX_ANSWER_BYTES = 128 * 1024
"""On the wire, for one request: headers, the little of the body that is read, and room."""
MAX_HEADS = 32
"""The same of status lines, interim ones among them."""

_PIECE_BYTES = 4096
"""What is parsed before it is looked at again."""


class Connector(aiohttp.TCPConnector):
    """Makes connections that hear no more than that; of the idle ones takes that used last.

    aiohttp takes the one that was used first, so that all of them stay in use: as many
    as were ever needed at once are then open for as long as anything is posted. This way
    those that are not needed any more grow old, and old ones are closed.
    """

    def __init__(self, **options: Any) -> None:
        """As aiohttp's; inside the event loop."""
        super().__init__(**options)
        self._factory = functools.partial(_connection, loop=asyncio.get_running_loop())

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        if idle := self._conns.get(key):
            idle.rotate(1)
        return await super()._get(key, traces)


class _Connection(ResponseHandler):
    """Closes itself when too much comes: in an answer, or after it, while nobody asks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._heard_bytes = 0
        self._heads = 0

    def set_response_params(self, **options: Any) -> None:
        """A request is going to be sent."""
        self._heard_bytes = self._heads = 0
        super().set_response_params(**options)

    def data_received(self, data: bytes) -> None:
        for start in range(0, max(len(data), 1), _PIECE_BYTES):
            if self._heard_bytes > MAX_ANSWER_BYTES or self._heads > MAX_HEADS:
                if self.transport is not None:
                    self.transport.close()
                return
            piece = data[start : start + _PIECE_BYTES]
            self._heard_bytes += len(piece)
            super().data_received(piece)

    def feed_data(
        self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0
    ) -> None:
        self._heads += 1
        super().feed_data(data, size)


def _connection(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Connection(loop)
