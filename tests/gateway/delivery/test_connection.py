"""Which connections are kept."""

import asyncio

from gateway.delivery.payload import Post
from gateway.model import Target
from tests.gateway.delivery.conftest import Posting
from tests.peers.receiver import Receiver, Reply

POST = Post("agent_1", b"{}")


async def test_what_a_burst_needed_is_not_kept_in_use(receiver: Receiver, posting: Posting) -> None:
    """Twenty at once open twenty connections; one after the other then takes always the same,
    so that the rest grow idle and are closed, however long there is something to post."""
    gate = asyncio.Event()
    receiver.default = lambda _: Reply(gate=gate)
    async with posting() as poster:
        destination = poster.destination(Target(webhook_url=receiver.url, webhook_secret=""))
        burst = [asyncio.create_task(poster.attempt(destination, POST)) for _ in range(20)]
        await receiver.wait(20)
        gate.set()
        await asyncio.gather(*burst)
        for _ in range(10):
            await poster.attempt(destination, POST)
    assert len({hook.connection for hook in receiver.hooks[:20]}) == 20
    assert len({hook.connection for hook in receiver.hooks[20:]}) == 1
