"""A line to the API server that a test can cut, or make silent: TCP, passed on as it is."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

_CHUNK = 64 * 1024


class Line:
    """`connections`: how often somebody has called so far."""

    def __init__(self, host: str, port: int) -> None:
        self._there = (host, port)
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._cut = False
        self.connections = 0

    def cut(self) -> None:
        """Break what there is, and refuse what comes, until `heal`."""
        self._cut = True
        for end in self._ends:
            end.transport.abort()

    def hold(self) -> None:
        """Nothing arrives any more, nothing breaks, until `heal`."""
        self._flowing.clear()

    def heal(self) -> None:
        self._cut = False
        self._flowing.set()

    async def open(self) -> int:
        """Its port on 127.0.0.1."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        self.heal()
        self.cut()
        if self._server is not None:
            self._server.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._cut:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._there)
        ends = {writer, far_writer}
        self._ends |= ends
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
        finally:
            self._ends -= ends
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._flowing.wait()
                writer.write(chunk)
                await writer.drain()
            writer.write_eof()


@asynccontextmanager
async def line_to_the_api_server(folder: Path) -> AsyncIterator[tuple[Line, Path]]:
    """And a kubeconfig that goes by it, in that folder."""
    config = json.loads(Path(os.environ["FORGE_TEST_KUBECONFIG"]).read_text())
    cluster = config["clusters"][0]["cluster"]
    there = urlsplit(cluster["server"])
    line = Line(there.hostname or "", there.port or 443)
    cluster["server"] = f"https://127.0.0.1:{await line.open()}"
    cluster["tls-server-name"] = there.hostname
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    try:
        yield line, path
    finally:
        await line.close()
