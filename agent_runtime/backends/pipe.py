"""Reading one pipe of a process that may leave it to others."""

import asyncio

CHUNK_BYTES = 64 * 1024
_QUIET_S = 0.2
_LEFT_BYTES = 2 * 1024 * 1024
"""More than a pipe and its buffers can hold: what comes beyond was written after the release."""


class Pipe:
    """Reads to the end of the pipe; once released, only what was written before.

    A process that escaped its group may keep the pipe open, silent or not; after
    `release` neither can hold the reader.
    """

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._released = asyncio.Event()
        self._left = _LEFT_BYTES

    def release(self) -> None:
        """Its processes are gone; whoever still writes is none of ours."""
        self._released.set()

    async def read(self) -> bytes:
        """The next bytes, b"" at the end."""
        if self._left <= 0:
            return b""
        reading = asyncio.create_task(self._stream.read(CHUNK_BYTES), name="pipe-read")
        try:
            await self._wait(reading)
        except asyncio.CancelledError:
            reading.cancel()
            raise
        if not reading.done():
            reading.cancel()
            return b""
        chunk = reading.result()
        if self._released.is_set():
            self._left -= len(chunk)
        return chunk

    async def _wait(self, reading: "asyncio.Task[bytes]") -> None:
        if not self._released.is_set():
            released = asyncio.create_task(self._released.wait(), name="pipe-release")
            try:
                await asyncio.wait({reading, released}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                released.cancel()
        await asyncio.wait({reading}, timeout=_QUIET_S)
