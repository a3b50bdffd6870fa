"""A reader of event streams, as the standard has them, over httpx."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec


@dataclass(frozen=True)
class Message:
    """`id` as of the last message that had one; `event` "": it had no type."""

    id: str
    event: str
    data: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.data)


class Stream:
    """One answer that is an event stream. `comments`: how many came."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments = 0
        self._chunks = response.aiter_bytes()
        self._buffer = b""
        self._id = ""

    async def next(self) -> Message | None:
        """The next message, None at the end of the stream."""
        while True:
            block = await self._block()
            if block is None:
                return None
            message = self._message(block)
            if message is not None:
                return message

    async def rest(self) -> list[Message]:
        """Everything up to the end."""
        messages = []
        while message := await self.next():
            messages.append(message)
        return messages

    async def comment(self) -> None:
        """Wait for a comment; no message may come before it."""
        before = self.comments
        while self.comments == before:
            block = await self._block()
            assert block is not None, "the stream ended"
            assert self._message(block) is None, block

    async def _block(self) -> bytes | None:
        while b"\n\n" not in self._buffer:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                assert not self._buffer, self._buffer
                return None
            self._buffer += chunk
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block

    def _message(self, block: bytes) -> Message | None:
        event, data = "", []
        for line in block.split(b"\n"):
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"":
                self.comments += 1
            elif name == b"id":
                self._id = value.decode()
            elif name == b"event":
                event = value.decode()
            elif name == b"data":
                data.append(value)
        return Message(self._id, event, b"\n".join(data)) if data else None


@asynccontextmanager
async def streaming(
    http: httpx.AsyncClient, path: str, *, last_event_id: str = "", **query: str
) -> AsyncIterator[Stream]:
    headers = {"accept": "text/event-stream"}
    if last_event_id:
        headers["last-event-id"] = last_event_id
    async with http.stream("GET", path, params=query, headers=headers) as response:
        yield Stream(response)
