"""Nudges: an agent's hint that it has something to deliver and nobody who relays it."""

import asyncio
import contextlib
import logging
import re
import time
from pathlib import Path
from typing import Any

import grpc

from gateway.errors import StartFailed
from gateway.relay.attach import Attachments
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 4096
MAX_CALLS = 256
"""At the same time; what is beyond is refused, and nudged again by its agent."""
BURST = 200.0
PER_SECOND = 100.0
MAX_SOURCES = 1024

_AGENT_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_STOP_S = 0.5
_LOOK_EVERY_S = 1.0
_UNIX = "unix:"

Context = grpc.aio.ServicerContext[Any, Any]


class Limiter:
    """So many nudges a second from one source. All agents of one machine are one source."""

    def __init__(
        self, *, burst: float = BURST, per_second: float = PER_SECOND, sources: int = MAX_SOURCES
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._sources = sources
        self._seen: dict[str, tuple[float, float]] = {}  # source: room, when

    def admit(self, source: str) -> bool:
        now_s = time.monotonic()
        room, at_s = self._seen.pop(source, (self._burst, now_s))
        room = min(self._burst, room + (now_s - at_s) * self._per_second)
        admitted = room >= 1.0
        self._seen[source] = (room - admitted, now_s)
        if len(self._seen) > self._sources:
            del self._seen[next(iter(self._seen))]  # the one not seen for longest
        return admitted


class NudgeServer(relay_pb2_grpc.NudgeServiceServicer):
    """Serves NudgeService. What a nudge says is no more than a name to look up.

    One task looks after a Unix socket, which whoever cleans up may remove: nobody
    would reach this gateway any more.
    """

    def __init__(
        self,
        attachments: Attachments,
        *,
        limiter: Limiter | None = None,
        look_every_s: float = _LOOK_EVERY_S,
    ) -> None:
        self._attachments = attachments
        self._limiter = limiter or Limiter()
        self._look_every_s = look_every_s
        self._server: grpc.aio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self, bind: str) -> int:
        """Listen on `unix:/path` or `host:port`; returns the port (1 for a socket).

        Raises:
            StartFailed: the address cannot be bound.
        """
        port = await self._listen(bind)
        if bind.startswith(_UNIX):
            path = Path(bind.removeprefix(_UNIX))
            keeping = self._keep(path, _identity(path))
            self._watch = asyncio.create_task(keeping, name="nudge-socket")
            self._watch.add_done_callback(_tell_death)
        return port

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        await self._stop()

    async def _listen(self, bind: str) -> int:
        server = grpc.aio.server(
            maximum_concurrent_rpcs=MAX_CALLS,
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
        )
        relay_pb2_grpc.add_NudgeServiceServicer_to_server(self, server)
        try:
            port = server.add_insecure_port(bind)
        except RuntimeError as error:
            raise StartFailed(f"nudges cannot be taken on {bind}: {error}") from error
        await server.start()
        self._server = server
        return port

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.stop(_STOP_S)  # removes what is at the socket's path
            self._server = None

    async def _keep(self, path: Path, bound: tuple[int, int] | None) -> None:
        """For life: listen again when the socket is not ours any more and its folder is there."""
        while True:
            await asyncio.sleep(self._look_every_s)
            if _identity(path) == bound or not path.parent.is_dir():
                continue
            await self._stop()
            with contextlib.suppress(StartFailed):  # tried again until it is free
                await self._listen(f"{_UNIX}{path}")
                bound = _identity(path)
                log.warning("nudge_socket_renewed", extra={"socket": str(path)})

    async def Nudge(  # noqa: N802 - the name of the rpc
        self, request: relay_pb2.NudgeRequest, context: Context
    ) -> relay_pb2.NudgeResponse:
        if not self._limiter.admit(_source(context.peer())):
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "nudged too often")
        if not _AGENT_ID.fullmatch(request.agent_id):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "agent_id: no agent has that")
        self._attachments.ensure(request.agent_id)
        return relay_pb2.NudgeResponse()


def _source(peer: str) -> str:
    """`ipv4:10.0.0.1:4711` without its port; every Unix socket is this machine."""
    family, _, address = peer.partition(":")
    return address.rpartition(":")[0] if family in ("ipv4", "ipv6") else family


def _identity(path: Path) -> tuple[int, int] | None:
    """Of the file, not of its name; numbers of removed files are given again."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("nudge_socket_unwatched", exc_info=error)
