"""Event streams (SSE): one reader each, as fast as it reads, until its end or the gateway's."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import GatewayError, Unavailable
from gateway.http import problems
from gateway.model import Event

EVENT_STREAM = "text/event-stream"
MOST_STREAMS = 500
"""Open at the same time; half of the requests that are."""
COMMENT_S = 15.0

_COMMENT = b": nothing new\n\n"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would keep events back
}

Lists = AsyncGenerator[Sequence[Event], None]


class Streams:
    """All event streams of a gateway: how many there are, and their common end. Event loop only.

    Args:
        comment_s: after so long without an event a comment tells that it lives.
    """

    def __init__(self, *, limit: int = MOST_STREAMS, comment_s: float = COMMENT_S) -> None:
        self._limit = limit
        self._open = 0
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

    def close(self) -> None:
        """End all of them, and begin no other."""
        self._closing.set()

    async def closed(self) -> None:
        await self._closing.wait()


class EventStream(Response):
    """The answer that is one. Takes over a room of `streams` that has been taken.

    Its task reads a list of events when it has written the one before: what a
    slow reader does not take stays with the agent.
    """

    def __init__(self, events: Lists, streams: Streams) -> None:
        super().__init__(media_type=EVENT_STREAM, headers=_HEADERS)
        del self.headers["Content-Length"]
        self._events = events
        self._streams = streams

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
        elif not closing.cancelled():
            await _send(send, _farewell(Unavailable("the gateway is going; reconnect")))

    async def _write(self, send: Send) -> None:
        reading = asyncio.create_task(_next(self._events), name="event-stream-events")
        try:
            while True:
                done, _ = await asyncio.wait({reading}, timeout=self._streams.comment_s)
                if not done:
                    await _send(send, _COMMENT)
                    continue
                events = reading.result()
                if events is None:
                    return
                await _send(send, b"".join(map(_message, events)))
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
    await send({"type": "http.response.body", "body": content, "more_body": True})


def _message(event: Event) -> bytes:
    """The CLI's own JSON may have line breaks between its tokens; they become LF."""
    data = b"\ndata: ".join(event.payload.splitlines())
    return b"id: %d\ndata: %s\n\n" % (event.seq, data)


def _farewell(error: GatewayError) -> bytes:
    """What ends a stream before its time."""
    problem = problems.of(error)
    return b"event: error\ndata: %s\n\n" % problems.body(problem.status, str(problem))
