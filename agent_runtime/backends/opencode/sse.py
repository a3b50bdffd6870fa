"""Server-sent events: the data of each, byte for byte."""

from collections.abc import Iterator

EVENT_LIMIT_BYTES = 64 * 1024 * 1024


class Oversized(ValueError):
    """An event that is larger than EVENT_LIMIT_BYTES."""


class SseDecoder:
    """Takes chunks as they come, gives the `data` of every finished event.

    Fields other than data and comments are skipped, as are events without data.
    """

    def __init__(self, limit_bytes: int = EVENT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Raises Oversized; the decoder cannot be used after that."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line = bytes(self._line) + part
            self._line.clear()
            data = self._take(line.removesuffix(b"\r"))
            if data is not None:
                yield data
        self._line += rest
        self._check(len(self._line))

    def _take(self, line: bytes) -> bytes | None:
        if line:
            self._field(line)
            return None
        data, self._data, self._size = self._data, [], 0
        return b"\n".join(data) if data else None

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value)
            self._check(0)

    def _check(self, pending: int) -> None:
        if self._size + pending > self._limit_bytes:
            raise Oversized(f"an event is larger than {self._limit_bytes} bytes")
