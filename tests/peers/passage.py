"""A passage between gateways and one agent: forwards every call, and holds one where a test says.

A gateway with sockets of its own finds it where it expects the agent. What is
held never arrives, so that the side that waits for it can be killed exactly there.
"""

from __future__ import annotations  # the stubs are generic for the type checker only

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import grpc

from proto.relay.v1 import relay_pb2

Way = Literal["call", "up", "down"]
"""A call begins; a message goes to the agent; one comes from it."""
Context = grpc.aio.ServicerContext[Any, Any]
_LIMITS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Step:
    """`method`: the rpc's name, such as Submit. `message`: its bytes, b"" for a call."""

    method: str
    way: Way
    message: bytes = b""

    def acks(self) -> relay_pb2.Ack | None:
        """The acknowledgement that goes up with it."""
        up = self.up()
        return up.ack if up is not None and up.HasField("ack") else None

    def up(self) -> relay_pb2.RelayUp | None:
        """What a relay says with it."""
        if self.method != "Relay" or self.way != "up":
            return None
        return relay_pb2.RelayUp.FromString(self.message)


class Passage(grpc.GenericRpcHandler):
    """Holds the first step that `holds` says, and all that comes after it on that way."""

    def __init__(self, door: Path, agent: Path, *, holds: Callable[[Step], bool]) -> None:
        """From one socket to another."""
        self.held = asyncio.Event()
        self.step: Step | None = None
        self._door = door
        self._agent = agent
        self._holds = holds
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._channel = grpc.aio.insecure_channel(f"unix:{self._agent}", options=_LIMITS)
        self._server = grpc.aio.server(options=_LIMITS)
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(f"unix:{self._door}")
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Nothing passes any more, and what is held is lost. Idempotent."""
        if self._closed.is_set():
            return
        self._closed.set()
        await self._server.stop(0)
        await self._channel.close()

    async def reached(self, *, within_s: float = 10.0) -> Step:
        """The step that is held, once it is."""
        async with asyncio.timeout(within_s):
            await self.held.wait()
        assert self.step is not None
        return self.step

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Every rpc is a stream to somebody who only passes on bytes."""
        path = handler_call_details.method

        async def forward(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[bytes]:
            async for message in self._forward(path, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(forward, None, None)

    async def _forward(
        self, path: str, requests: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        method = path.rpartition("/")[2]
        await self._pass(Step(method, "call"))
        everything: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
            path
        )
        call = everything(self._all_up(method, requests), metadata=context.invocation_metadata())
        try:
            async for message in call:
                await self._pass(Step(method, "down", message))
                yield message
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details() or "")
        finally:
            call.cancel()

    async def _all_up(self, method: str, requests: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for message in requests:
            await self._pass(Step(method, "up", message))
            yield message

    async def _pass(self, step: Step) -> None:
        if self.held.is_set() or not self._holds(step):
            return
        self.step = step
        self.held.set()
        await self._closed.wait()
        raise asyncio.CancelledError
