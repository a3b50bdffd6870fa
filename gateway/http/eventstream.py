"""Event streams (SSE): one reader each, as fast as it reads, until its end or the gateway's."""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import GatewayError, Unavailable
from gateway.http import problems
from gateway.model import Event

EVENT_STREAM = "text/event-stream"
MOST_STREAMS = 500
"""Open at the same time; half of the requests that are."""
COMMENT_S = 15.0
MOST_BYTES = 64 * 1024 * 1024
"""That all streams together have read and not yet written."""

_PIECE_BYTES = 64 * 1024

_COMMENT = b": nothing new\n\n"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back
}

Lists = AsyncGenerator[Sequence[Event], None]


class Streams:
    """All event streams of a gateway: how many there are, and their common end. Event loop only.

    Args:
        most_bytes: of events that wait for their readers; beyond it the stream goes
            whose reader has kept its events waiting for longest.
        comment_s: after so long without an event a comment tells that it lives.
    """

    def __init__(
        self,
        *,
        limit: int = MOST_STREAMS,
        most_bytes: int = MOST_BYTES,
        comment_s: float = COMMENT_S,
    ) -> None:
        self._limit = limit
        self._free_bytes = most_bytes
        self._open = 0
        self._writers: dict[asyncio.Task[None], int] = {}
        self._closing = asyncio.Event()
        self.comment_s = comment_s

    def take(self) -> None:
        """Room for one; raises Unavailable when there is none."""
        if self._closing.is_set():
            raise Unavailable("the gateway is going; repeat with another one")
        if self._open >= self._limit:
            raise Unavailable("too many event streams are open; repeat, or read pages")
        self._open += 1

    def give_back(self) -> None:
        self._open -= 1

    @contextmanager
    def holding(self, writer: "asyncio.Task[None]", size_bytes: int) -> Iterator[None]:
        """Around the writing of so much by that task; other writers are cancelled for it."""
        self._free_bytes -= size_bytes
        while self._free_bytes < 0 and self._writers:
            slowest = next(iter(self._writers))
            slowest.cancel()
            self._release(slowest)
        self._writers[writer] = size_bytes
        try:
            yield
        finally:
            self._release(writer)

    def _release(self, writer: "asyncio.Task[None]") -> None:
        self._free_bytes += self._writers.pop(writer, 0)

    def close(self) -> None:
        """End all of them, and begin no other."""
        self._closing.set()

    async def closed(self) -> None:
        await self._closing.wait()


class EventStream(Response):
    """The answer that is one. Takes over a room of `streams` that has been taken.

    Its task reads a list of events when it has written the one before: what a
    slow reader does not take stays with the agent. One that has to make room for
    others ends where it is, if need be in the middle of an event, which readers
    ignore then: they go on after the last whole one.
    """

    def __init__(self, events: Lists, streams: Streams) -> None:
        super().__init__(media_type=EVENT_STREAM, headers=_HEADERS)
        del self.headers["Content-Length"]
        self._events = events
        self._streams = streams
        self._in_event = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        try:
            await send(head)
            if scope["method"] != "HEAD":
                await self._stream(receive, send)
            await send({"type": "http.response.body"})
        finally:
            self._streams.give_back()

    async def _stream(self, receive: Receive, send: Send) -> None:
        """Until there is no other event, the reader has gone, or the gateway goes."""
        writing = asyncio.create_task(self._write(send), name="event-stream")
        left = asyncio.create_task(_left(receive), name="event-stream-reader")
        closing = asyncio.create_task(self._streams.closed(), name="event-stream-end")
        tasks = (writing, left, closing)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not writing.cancelled():
            writing.result()
        elif not closing.cancelled() and not self._in_event:
            await _send(send, _farewell(Unavailable("the gateway is going; reconnect")))

    async def _write(self, send: Send) -> None:
        reading = asyncio.create_task(_next(self._events), name="event-stream-events")
        writer = asyncio.current_task()
        assert writer is not None
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=self._streams.comment_s)
                if not done:
                    await _send(send, _COMMENT)
                    continue
                events = reading.result()
                if events is None:
                    return
                content = b"".join(map(_message, events))
                self._in_event = True
                with self._streams.holding(writer, len(content)):
                    await _send(send, content)
                self._in_event = False
                del events, content, done, reading  # a follower that waits for more holds none
                reading = asyncio.create_task(_next(self._events), name="event-stream-events")
        except GatewayError as error:
            await _send(send, _farewell(error))
        finally:
            reading.cancel()
            await asyncio.wait({reading})
            await self._events.aclose()


async def _next(events: Lists) -> Sequence[Event] | None:
    return await anext(events, None)


async def _left(receive: Receive) -> None:
    """Returns when the reader has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Send, content: bytes) -> None:
    """In pieces: no more waits in the connection, where nothing takes it back."""
    for at in range(0, len(content), _PIECE_BYTES):
        piece = content[at : at + _PIECE_BYTES]
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def _message(event: Event) -> bytes:
    """The CLI's own JSON may have line breaks between its tokens; they become LF."""
    data = b"\ndata: ".join(event.payload.splitlines())
    return b"id: %d\ndata: %s\n\n" % (event.seq, data)


def _farewell(error: GatewayError) -> bytes:
    """What ends a stream before its time."""
    problem = problems.of(error)
    return b"event: error\ndata: %s\n\n" % problems.body(problem.status, str(problem))
