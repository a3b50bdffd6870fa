"""Marks: what goes up a relay's stream, gathered for a moment."""

import asyncio
import contextlib
import math

import grpc

from proto.relay.v1 import relay_pb2

Stream = grpc.aio.StreamStreamCall[relay_pb2.RelayUp, relay_pb2.RelayDown]

_ALIVE = relay_pb2.RelayUp(alive=relay_pb2.Alive())


class Marks:
    """The marks of one stream. Turns add to them; one task, `run`, writes them.

    Acknowledgements are cumulative, so only the highest of a turn is written.
    What else is told of a turn is never overtaken by its acknowledgements.
    """

    def __init__(self, *, gather_s: float, alive_s: float) -> None:
        self._gather_s = gather_s
        self._alive_s = alive_s
        self._ready: list[relay_pb2.RelayUp] = []
        self._acks: dict[str, tuple[int, int]] = {}
        self._wake = asyncio.Event()
        self._closing = False

    def ack(self, request_id: str, *, generation: int, seq: int) -> None:
        """Every event of the turn up to seq is settled."""
        self._acks[request_id] = (generation, seq)
        self._wake.set()

    def reject(self, request_id: str, *, generation: int, seq: int, status: int) -> None:
        """The receiver refused this event for good."""
        reject = relay_pb2.Reject(
            request_id=request_id, generation=generation, seq=seq, status=status
        )
        self._add(request_id, relay_pb2.RelayUp(reject=reject))

    def failed(
        self, request_id: str, *, generation: int, seq: int, status: int, error: str
    ) -> None:
        """An attempt failed, and the next one follows soon, from here. `status` 0: no answer."""
        failed = relay_pb2.Failed(
            request_id=request_id,
            generation=generation,
            seq=seq,
            last_status=status,
            last_error=error,
        )
        self._add(request_id, relay_pb2.RelayUp(failed=failed))

    def park(
        self,
        request_id: str,
        *,
        generation: int,
        seq: int,
        delay_s: float,
        failure: bool,
        status: int,
        error: str,
    ) -> None:
        """The agent has the turn again; the next attempt is due in `delay_s`.

        `failure`: because an attempt failed that has not been told.
        """
        park = relay_pb2.Park(
            request_id=request_id,
            generation=generation,
            seq=seq,
            delay_ms=math.ceil(delay_s * 1000),
            attempts=int(failure),
            last_status=status,
            last_error=error,
            failure=failure,
        )
        self._add(request_id, relay_pb2.RelayUp(park=park))

    def abandon(self, request_id: str, *, generation: int, reason: str) -> None:
        """Nothing of this turn is to be delivered any more."""
        abandon = relay_pb2.Abandon(request_id=request_id, generation=generation, reason=reason)
        self._add(request_id, relay_pb2.RelayUp(abandon=abandon))

    def close(self) -> None:
        """Write what there is, then close our side of the stream."""
        self._closing = True
        self._wake.set()

    async def run(self, stream: Stream) -> None:
        """Write marks, and a sign of life when there are none, until `close` or the end."""
        # A stream that broke is told to whoever reads it, with the reason.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            closing = False
            while not closing:
                await self._gather()
                closing = self._closing
                ups = self._take()
                if not ups and not closing:
                    ups.append(_ALIVE)
                for up in ups:
                    await stream.write(up)
            await stream.done_writing()

    async def _gather(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._alive_s):
                await self._wake.wait()
        if self._wake.is_set() and not self._closing:
            await asyncio.sleep(self._gather_s)
        self._wake.clear()

    def _add(self, request_id: str, up: relay_pb2.RelayUp) -> None:
        if earlier := self._acks.pop(request_id, None):
            self._ready.append(_ack(request_id, *earlier))
        self._ready.append(up)
        self._wake.set()

    def _take(self) -> list[relay_pb2.RelayUp]:
        ready, acks = self._ready, self._acks
        self._ready, self._acks = [], {}
        ready.extend(_ack(request_id, *mark) for request_id, mark in acks.items())
        return ready


def _ack(request_id: str, generation: int, seq: int) -> relay_pb2.RelayUp:
    return relay_pb2.RelayUp(
        ack=relay_pb2.Ack(request_id=request_id, generation=generation, seq=seq)
    )
