"""A webhook receiver on the node's address, where pods reach it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.cluster.node.layout import ADDRESS
from tests.peers.receiver import Receiver


class NodeReceiver(Receiver):
    """Listens in the node's network; pods do not reach its loopback."""

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}/hook"


@asynccontextmanager
async def receiving() -> AsyncIterator[NodeReceiver]:
    """One on a free port until the block ends."""
    async with NodeReceiver(socket.create_server((ADDRESS, 0))) as made:
        yield made
