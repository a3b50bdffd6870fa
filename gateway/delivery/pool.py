"""Connections to receivers, kept for the next post."""

import aiohttp
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class Pool(aiohttp.TCPConnector):
    """Takes the idle connection that was used last.

    aiohttp takes the one that was used first, so that all of them stay in use: as many
    as were ever needed at once are then open for as long as anything is posted. This way
    those that are not needed any more grow old, and old ones are closed.
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        if idle := self._conns.get(key):
            idle.rotate(1)
        return await super()._get(key, traces)
