"""A relay's stream without a network: it can hang, and it can break."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import grpc

from proto.relay.v1 import relay_pb2

T = TypeVar("T")

MOST = 4
"""Messages on their way; whoever writes more waits until the other side reads."""


class _Way(Generic[T]):
    """One direction. What was written before it closed still arrives, unless it is dropped."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._changed = asyncio.Event()
        self._closed = False
        self._hanging = False

    async def put(self, item: T) -> bool:
        """False when nobody will read it."""
        while len(self._items) >= MOST and not self._closed:
            await self._changed.wait()
        if self._closed:
            return False
        self._items.append(item)
        self._change()
        return True

    async def take(self) -> T | None:
        """The next one; None when no other comes."""
        while self._hanging or not self._items:
            if self._closed and not self._hanging:
                return None
            await self._changed.wait()
        self._change()
        return self._items.popleft()

    def hang(self, *, hanging: bool) -> None:
        self._hanging = hanging
        self._change()

    def close(self) -> None:
        self._closed = True
        self._change()

    def drop(self) -> None:
        """Close, and lose what is on its way."""
        self._items.clear()
        self._hanging = False
        self.close()

    def _change(self) -> None:
        """Everybody who waits looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Line:
    """One call: the gateway's end is a grpc stream to it, the agent's an iterator and `write`.

    `opened`: the turns that the gateway has, with their generations: it has read their
    OpenTurn, and not given them back. `returned`: those that it has given back; of a turn
    that was redelivered, the attempt in flight still belongs to the generation before.
    """

    def __init__(self, hang_up: Callable[[], None]) -> None:
        """`hang_up` ends the agent's side when the gateway's has gone."""
        self.opened: dict[str, int] = {}
        self.returned: set[tuple[str, int]] = set()
        self._hang_up = hang_up
        self._up: _Way[relay_pb2.RelayUp] = _Way()
        self._down: _Way[relay_pb2.RelayDown] = _Way()
        self._status: grpc.StatusCode | None = None

    def hang(self, *, hanging: bool) -> None:
        """Nothing arrives, on neither side, while it does."""
        self._up.hang(hanging=hanging)
        self._down.hang(hanging=hanging)

    def snap(self) -> None:
        """Both sides learn that the other is gone; what was on its way is lost."""
        self._end(grpc.StatusCode.UNAVAILABLE)

    def leave(self) -> None:
        """The gateway's side dies, after which the agent reads what it had written."""
        self._status = self._status or grpc.StatusCode.CANCELLED
        self.hang(hanging=False)
        self._up.close()
        self._down.drop()

    # The agent's end.

    async def ups(self) -> AsyncIterator[relay_pb2.RelayUp]:
        while (up := await self._up.take()) is not None:
            yield up

    async def write_down(self, down: relay_pb2.RelayDown) -> None:
        await self._down.put(down)

    def end(self, status: grpc.StatusCode) -> None:
        """The call is over; the gateway learns of it after what was sent before."""
        self._status = self._status or status
        self._up.close()
        self._down.close()

    # The gateway's end, as AgentRelay uses it.

    async def read(self) -> Any:
        down = await self._down.take()
        if down is None:
            return self._ended()
        if down.HasField("turn"):
            self.opened[down.turn.request_id] = down.turn.generation
            self.returned.discard((down.turn.request_id, down.turn.generation))
        return down

    async def write(self, up: relay_pb2.RelayUp) -> None:
        if self._status is not None or not await self._up.put(up):
            raise asyncio.InvalidStateError("the call has ended")
        told = up.park if up.HasField("park") else up.abandon
        if self.opened.get(told.request_id) == told.generation:
            del self.opened[told.request_id]
            self.returned.add((told.request_id, told.generation))

    async def done_writing(self) -> None:
        self._up.close()

    def cancel(self) -> bool:
        if self._status is not None:
            return False
        self._end(grpc.StatusCode.CANCELLED)
        return True

    def _ended(self) -> object:
        if self._status is grpc.StatusCode.CANCELLED:
            raise asyncio.CancelledError
        if self._status is not None and self._status is not grpc.StatusCode.OK:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(self._status, nothing, nothing)
        return grpc.aio.EOF

    def _end(self, status: grpc.StatusCode) -> None:
        self._status = self._status or status
        self._up.drop()
        self._down.drop()
        self._hang_up()
