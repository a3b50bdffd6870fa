"""Asks a runtime, by gRPC health and nothing else, whether it answers."""

import asyncio
import contextlib

import grpc
from grpc_health.v1 import health_pb2

_RECONNECT_MS = (
    # A runtime takes a third of a second to listen: gRPC's own pause of 1 s is too long.
    "grpc.initial_reconnect_backoff_ms",
    "grpc.min_reconnect_backoff_ms",
    "grpc.max_reconnect_backoff_ms",
)
_CHANNEL = (
    # A pause learned by another channel to the same socket must not apply.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
_PAUSE_S = 0.1
"""Before it is asked again, when it broke off the call."""


async def serves(target: str, *, within_s: float, reconnect_ms: int = 20) -> bool:
    """Whether it says SERVING within that time; waits for the socket, too.

    `reconnect_ms`: the pause after a connection was refused.
    """
    options = (*_CHANNEL, *((name, reconnect_ms) for name in _RECONNECT_MS))
    try:
        async with (
            asyncio.timeout(within_s),
            grpc.aio.insecure_channel(target, options=options) as channel,
        ):
            return await _says_so(channel)
    except TimeoutError:
        return False


async def _says_so(channel: grpc.aio.Channel) -> bool:
    """True once the runtime says so; asks again when it ends the call instead."""
    watch = channel.unary_stream(
        "/grpc.health.v1.Health/Watch",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for answer in watch(health_pb2.HealthCheckRequest(), wait_for_ready=True):
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return True
        await asyncio.sleep(_PAUSE_S)
