"""Server-sent events as a gateway writes them."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass, field

from gateway.cli.errors import Refused, Trouble

LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """`event` "": an event of an agent. `data` b"": a comment, nothing but a sign of life."""

    event: str = ""
    data: bytes = field(default=b"", repr=False)


class Decoder:
    """Takes chunks as they come, gives whole messages and comments."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """Raises Trouble; the decoder cannot be used after that."""
        self._buffer += chunk
        while (end := self._buffer.find(b"\n\n", self._searched)) >= 0:
            block = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            self._searched = 0
            yield _message(block)
        self._searched = max(len(self._buffer) - 1, 0)
        if len(self._buffer) > LIMIT_BYTES:
            raise Trouble(f"an event is over {LIMIT_BYTES} bytes")


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The data of the events, b"" for each comment.

    Raises:
        Refused: the gateway's last word, when it breaks off.
    """
    decoder = Decoder()
    async for chunk in chunks:
        for message in decoder.feed(chunk):
            if message.event == "error":
                raise _broken_off(message.data)
            yield message.data


def _broken_off(data: bytes) -> Refused:
    try:
        told = json.loads(data)
        return Refused(str(told["message"]), status=200, code=str(told["error"]))
    except (ValueError, LookupError, TypeError):
        return Refused("the gateway broke off", status=200, code="")


def _message(block: bytes) -> Message:
    event, data = "", []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"event":
            event = value.decode("utf-8", "replace")
        elif name == b"data":
            data.append(value)
    return Message(event, b"\n".join(data))
