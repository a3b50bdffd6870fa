"""Floors: the work at the bottom of every case, with nothing of ours around it.

    posts    one loop of aiohttp POSTs to the receiver
    stream   one grpc.aio stream of event lists over a Unix socket
    answers  one Starlette route that answers 202, served by uvicorn

Each is a process of its own, `python -m tests.bench.floors NAME ARGUMENTS`, on
uvloop like the gateway; the first two print their figures as JSON.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

_METHOD = "/floor.Floor/Stream"
_LIST = 64
_PADDING = b"x" * 300


def event() -> bytes:
    """The JSON of one event as the emitter makes it."""
    return b'{"type":"text","t":%d,"text":"%b"}' % (time.time_ns(), _PADDING)


async def posts(url: str, at_once: int, seconds: float) -> dict[str, float]:
    """Bodies as large as a payload, each made and read to its answer's end."""
    ends_s = time.perf_counter() + seconds
    count = 0

    async def one_after_the_other(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal count
        seq = 0
        while time.perf_counter() < ends_s:
            seq += 1
            async with session.post(url, data=_payload(number, seq), headers=_HEADERS) as answer:
                await answer.read()
            count += 1

    cpu_s = _cpu_s()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        for number in range(at_once):
            group.create_task(one_after_the_other(session, number))
    return {"per_s": count / seconds, "cpu_us": (_cpu_s() - cpu_s) / count * 1e6}


_HEADERS = {
    "Content-Type": "application/json",
    "webhook-id": "agent-0123456789abcdef_12345",
    "webhook-timestamp": "1700000000",
    "webhook-signature": "v1," + "A" * 44,
    "X-Forge-Timestamp": "1700000000",
    "X-Forge-Signature": "sha256=" + "0" * 64,
}


def _payload(number: int, seq: int) -> bytes:
    return (
        b'{"event_type":"agent.event","agent_id":"agent-0123456789abcdef","request_id":"floor-%d",'
        b'"session_id":"","seq":%d,"timestamp":"2026-01-01T00:00:00.000Z","agent_state":'
        b'"processing","event":%b,"backend":"emitter","backend_event_type":"text","kind":'
        b'"text.delta"}' % (number, seq, event())
    )


async def stream(seconds: float) -> dict[str, float]:
    """Both ends in this process, so CPU is that of both."""
    with tempfile.TemporaryDirectory(prefix="forge-floor-") as folder:
        address = f"unix:{Path(folder) / 's'}"
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Lists(seconds),))
        server.add_insecure_port(address)
        await server.start()
        cpu_s, began_s, count = _cpu_s(), time.perf_counter(), 0
        async with grpc.aio.insecure_channel(address) as channel:
            lists: grpc.aio.UnaryStreamMultiCallable[bytes, relay_pb2.RelayDown] = (
                channel.unary_stream(_METHOD, response_deserializer=relay_pb2.RelayDown.FromString)
            )
            call = lists(b"")
            async for down in call:
                count += len(down.events.events)
        taken_s = time.perf_counter() - began_s
        await server.stop(0)
    return {"per_s": count / taken_s, "cpu_us": (_cpu_s() - cpu_s) / count * 1e6}


class _Lists(grpc.GenericRpcHandler):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        async def lists(request: bytes, context: object) -> AsyncIterator[relay_pb2.RelayDown]:
            ends_s = time.perf_counter() + self._seconds
            while time.perf_counter() < ends_s:
                events = [_response(seq) for seq in range(_LIST)]
                yield relay_pb2.RelayDown(events=relay_pb2.Events(events=events))

        return grpc.unary_stream_rpc_method_handler(
            lists, None, relay_pb2.RelayDown.SerializeToString
        )


def _response(seq: int) -> agent_pb2.AgentResponse:
    payload = agent_pb2.EventPayload(event_type="text", event_json=event())
    return agent_pb2.AgentResponse(request_id="floor", seq=seq, event=payload)


async def answers() -> None:
    """Serves until it is killed; says where on its first line."""

    async def accept(request: Request) -> JSONResponse:
        body = json.loads(await request.body())
        told = {"request_id": "req_0", "agent_id": body["content"], "status": "processing"}
        return JSONResponse(told, status_code=202)

    application = Starlette(routes=[Route("/{rest:path}", accept, methods=["POST"])])
    config = uvicorn.Config(application, port=0, log_level="error", access_log=False)
    server = _Announcing(config)
    await server.serve()


class _Announcing(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        sys.stdout.write(f"listening on http://127.0.0.1:{port}\n")
        sys.stdout.flush()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(name: str, *given: str) -> None:
    wanted: dict[str, Callable[[], Awaitable[object]]] = {
        "posts": lambda: posts(given[0], int(given[1]), float(given[2])),
        "stream": lambda: stream(float(given[0])),
        "answers": answers,
    }

    async def measured() -> object:
        return await wanted[name]()

    sys.stdout.write(f"{json.dumps(uvloop.run(measured()))}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
