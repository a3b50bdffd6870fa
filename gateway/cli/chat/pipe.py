"""Standard input and output that are no terminal: a line a message, one after the other."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

from rich.console import Console

from gateway.cli.chat.face import Hands, Left, Typed
from gateway.cli.errors import Trouble
from gateway.cli.screen import PlainConsole

_LINE_LIMIT_BYTES = 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_EXIT_TERMINATED = 143


class Pipe:
    """Reads no further than it is asked for lines."""

    types_ahead = False

    def __init__(self) -> None:
        self._console = PlainConsole()
        self._fd = sys.stdin.fileno()
        self._buffer = bytearray()
        self._ended = False
        self._hands: Hands | None = None

    @property
    def console(self) -> Console:
        return self._console

    @contextlib.asynccontextmanager
    async def shown(self, hands: Hands) -> AsyncIterator[None]:
        self._hands = hands
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, hands.press)
        loop.add_signal_handler(signal.SIGTERM, hands.leave, _EXIT_TERMINATED)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            loop.remove_signal_handler(signal.SIGTERM)

    async def line(self) -> Typed:
        """Raises Trouble for one over 1 MiB, too."""
        while (end := self._buffer.find(b"\n")) < 0 and not self._ended:
            if len(self._buffer) > _LINE_LIMIT_BYTES:
                raise Trouble(f"a line is over {_LINE_LIMIT_BYTES} bytes")
            chunk = await self._more()
            self._buffer += chunk
            self._ended = not chunk
        if not self._buffer:
            raise Left
        line = bytes(self._buffer[: end if end >= 0 else None])
        del self._buffer[: len(line) + 1]
        assert self._hands is not None
        return Typed(line.decode("utf-8", "replace"), self._hands.mark().asked)

    async def _more(self) -> bytes:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        try:
            loop.add_reader(self._fd, readable.set)
        except PermissionError:  # an ordinary file always is
            return os.read(self._fd, _CHUNK_BYTES)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._fd)
        return os.read(self._fd, _CHUNK_BYTES)

    def set_aside(self) -> None:
        """Nothing is typed ahead."""

    def bring_back(self) -> None:
        """Nothing was set aside."""

    def changed(self) -> None:
        """What goes on is not drawn."""
