"""Links: gRPC channels to agents, one a target, and what their failures mean."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc

from gateway.errors import (
    BadRequest,
    Conflict,
    Exhausted,
    GatewayError,
    Gone,
    NotFound,
    Unavailable,
    Unsupported,
)
from proto.relay.v1 import relay_pb2_grpc

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Both ways: a message's body at the HTTP limit, or one event of 4 MiB, with room."""

MAX_LINKS = 1024
"""Beyond this the link that has been unused for longest is closed."""

_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    # Otherwise a channel made anew would share the connection that is stuck.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    # What may be repeated is repeated by who knows it; this keeps a tenth of a link's memory.
    ("grpc.enable_retries", 0),
)


@dataclass(slots=True, eq=False)
class Link:
    """A channel, and the stub of what is called often: one is several KB. `users` and
    `stale` belong to Links."""

    target: str
    channel: grpc.aio.Channel
    relay: "relay_pb2_grpc.RelayServiceAsyncStub"
    users: int = 0
    stale: bool = False


class Links:
    """Keeps one link a target, the least recently used first. Event loop only."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    @asynccontextmanager
    async def to(self, target: str) -> AsyncIterator[Link]:
        """The link to a target, kept open while it is used."""
        link = self._links.pop(target, None) or _open(target)
        self._links[target] = link
        link.users += 1
        try:
            await self._make_room()
            yield link
        finally:
            link.users -= 1
            if link.stale and not link.users:
                await link.channel.close()

    async def renew(self, link: Link) -> None:
        """Use another channel from now on: a deadline ran out on this one.

        It closes when its last user is done with it.
        """
        if self._links.get(link.target) is link:
            del self._links[link.target]
        link.stale = True

    async def close(self) -> None:
        """Close every channel; calls in flight end."""
        links = list(self._links.values())
        self._links.clear()
        for link in links:
            await link.channel.close()

    async def _make_room(self) -> None:
        if len(self._links) <= MAX_LINKS:
            return
        unused = next((link for link in self._links.values() if not link.users), None)
        if unused is not None:
            del self._links[unused.target]
            await unused.channel.close()


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that shows a token."""
    return (("authorization", f"Bearer {token}"),)


def translate(error: grpc.aio.AioRpcError, agent_id: str) -> GatewayError:
    """What the end of a call means for whoever made it."""
    match error.code():
        case grpc.StatusCode.INVALID_ARGUMENT:
            return BadRequest(error.details() or "the agent refuses this command")
        case grpc.StatusCode.NOT_FOUND:
            return NotFound(error.details() or f"agent {agent_id} does not know it")
        case grpc.StatusCode.ALREADY_EXISTS:
            return Conflict(error.details() or f"agent {agent_id} has it already")
        case grpc.StatusCode.OUT_OF_RANGE:
            return Gone(error.details() or f"agent {agent_id} does not keep it any more")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return Exhausted(error.details() or f"agent {agent_id} takes no more for now")
        case grpc.StatusCode.ABORTED:
            return Unavailable(error.details() or f"agent {agent_id} could not do it now")
        case grpc.StatusCode.UNIMPLEMENTED if _lacks(error):
            return Unsupported(error.details() or f"agent {agent_id} cannot do this")
        case grpc.StatusCode.UNIMPLEMENTED:
            return Unavailable(
                f"agent {agent_id} runs code too old for this; it can once it has started again"
            )
        case code:
            return Unavailable(f"agent {agent_id} does not answer now ({code.name})")


def _lacks(error: grpc.aio.AioRpcError) -> bool:
    """Whether it is the backend that cannot do it, rather than the runtime."""
    return any(key == "forge-capability" for key, _ in error.trailing_metadata() or ())


def cancelling() -> bool:
    """Whether it is this task that was cancelled, rather than the call it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _open(target: str) -> Link:
    channel = grpc.aio.insecure_channel(target, options=_OPTIONS)
    return Link(
        target,
        channel,
        relay_pb2_grpc.RelayServiceStub(channel),
    )
