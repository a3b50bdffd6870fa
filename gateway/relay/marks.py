"""Marks: what goes up a relay's stream, gathered for a moment."""

import asyncio
import contextlib
import math
from typing import NamedTuple

import grpc

from proto.relay.v1 import relay_pb2

Stream = grpc.aio.StreamStreamCall[relay_pb2.RelayUp, relay_pb2.RelayDown]

MOST_GATHERED = 32
"""Events of a turn, half of its window: it never closes because of an acknowledgement
that waits to be written."""

_ALIVE = relay_pb2.RelayUp(alive=relay_pb2.Alive())


class Ack(NamedTuple):
    """What is settled of a turn; `events`: how many since it was last written."""

    generation: int
    seq: int
    events: int


class Marks:
    """The marks of one stream. Turns add to them; one task, `run`, writes them.

    Acknowledgements are cumulative, so only the highest of a turn is written, and
    of a turn that goes on anyway not each: writing one costs about a tenth of
    delivering an event, here and in the agent.
    What else is told of a turn is never overtaken by its acknowledgements.
    """

    def __init__(self, *, gather_s: float, longest_gather_s: float, alive_s: float) -> None:
        """What is told travels after `gather_s`, acknowledgements after `longest_gather_s`."""
        self._gather_s = gather_s
        self._longest_gather_s = longest_gather_s
        self._alive_s = alive_s
        self._ready: list[relay_pb2.RelayUp] = []
        self._told: dict[str, Ack] = {}
        self._acks: dict[str, Ack] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many are to be written, beside one acknowledgement a turn."""
        return len(self._ready)

    def ack(self, request_id: str, *, generation: int, seq: int, events: int) -> None:
        """Every event of the turn up to seq is settled, so many of them since the last mark."""
        gathered = self._acks[request_id].events if request_id in self._acks else 0
        self._acks[request_id] = Ack(generation, seq, gathered + events)
        if gathered + events >= MOST_GATHERED:
            self.tell(request_id)
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._longest_gather_s, self._tell_all)

    def tell(self, request_id: str) -> None:
        """The agent waits for what was acknowledged of this turn."""
        if ack := self._acks.pop(request_id, None):
            self._told[request_id] = ack
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
        self._tell_all()
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
        self.tell(request_id)
        if earlier := self._told.pop(request_id, None):
            self._ready.append(_up(request_id, earlier))
        self._ready.append(up)
        self._wake.set()

    def _tell_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for request_id in list(self._acks):
            self.tell(request_id)

    def _take(self) -> list[relay_pb2.RelayUp]:
        ready, told = self._ready, self._told
        self._ready, self._told = [], {}
        ready.extend(_up(request_id, ack) for request_id, ack in told.items())
        return ready


def _up(request_id: str, ack: Ack) -> relay_pb2.RelayUp:
    return relay_pb2.RelayUp(
        ack=relay_pb2.Ack(request_id=request_id, generation=ack.generation, seq=ack.seq)
    )
