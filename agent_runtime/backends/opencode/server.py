"""The process `opencode serve`: started on a free port, its output drained, ended whole."""

import asyncio
import contextlib
import re
import secrets
import shutil
import socket
from dataclasses import dataclass

from agent_runtime.backends.binary import Program
from agent_runtime.backends.last_words import KEPT_BYTES, last_words
from agent_runtime.backends.opencode.client import USER, Client
from agent_runtime.backends.opencode.config import Home, environment
from agent_runtime.backends.protocol import BackendContext
from agent_runtime.backends.start_failure import NotStarted
from agent_runtime.errors import BackendCrashed, BackendUnusable, Refused
from agent_runtime.process_table import Process
from agent_runtime.processes import CliProcess, Processes

PROGRAM = Program(
    name="opencode",
    option="FORGE_OPENCODE_BIN",
    install="npm install -g opencode-ai@1.18.33",
    oldest="1.18",
    too_new="2",
)
_HOST = "127.0.0.1"
_LISTENING = re.compile(rb"server listening on (http://\S+)")
"""A request that comes before this line is accepted and never answered."""
_PORT_TAKEN = re.compile(r"ServeError|EADDRINUSE|in use")
BOOT_LIMIT_S = 60.0
"""Also for a slow disk: the binary has 180 MB."""
_PORT_TRIES = 3
_EXIT_GRACE_S = 1.0


class Server:
    """One process. Its drain is a task of its own, which ends with the output."""

    def __init__(self, process: CliProcess, processes: Processes) -> None:
        self._process = process
        self._processes = processes
        self._url = ""
        self._output = b""
        self._listening = asyncio.Event()
        self._draining = asyncio.create_task(self._drain(), name="opencode-output")

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def url(self) -> str:
        return self._url

    async def listen(self, limit_s: float) -> bool:
        """Whether it listens before it exits or the time is up."""
        ways = {
            asyncio.create_task(self._listening.wait(), name="opencode-listening"),
            asyncio.create_task(self._process.exited(), name="opencode-exited"),
        }
        try:
            await asyncio.wait(ways, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
        return self._listening.is_set()

    def members(self) -> frozenset[Process]:
        """All its processes now."""
        return self._process.members()

    async def end_strays(self, before: frozenset[Process]) -> None:
        """End what commands that have ended since `before` left running."""
        await self._processes.end_strays(self._process, before)

    async def epitaph(self) -> str:
        """How it ended, or that it lives, and the end of its output."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EXIT_GRACE_S):
                await self._process.exited()
        return last_words(f"opencode {self._process.ending}", self._output, which="output")

    async def end(self) -> None:
        """End all its processes. Idempotent."""
        await self._processes.end(self._process)
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)
        self._process.close_pipes()

    async def _drain(self) -> None:
        while chunk := await self._process.stdout.read(KEPT_BYTES):
            self._output = (self._output + chunk)[-KEPT_BYTES:]
            if not self._url and (found := _LISTENING.search(self._output)):
                self._url = found.group(1).decode("ascii", "replace")
                self._listening.set()


@dataclass(frozen=True, slots=True)
class Cli:
    """A server that listens, and its client."""

    server: Server
    client: Client

    @property
    def running(self) -> bool:
        return self.server.running

    async def epitaph(self) -> str:
        return await self.server.epitaph()

    async def end(self) -> None:
        """The server first: calls that wait then end, too."""
        try:
            await self.server.end()
        finally:
            await self.client.close()


class _PortTaken(NotStarted):
    """Somebody was faster; another port may do."""


class Launch:
    """How a server is started: the binary, its folder and its environment."""

    def __init__(
        self, binary: str, context: BackendContext, *, boot_limit_s: float = BOOT_LIMIT_S
    ) -> None:
        self._boot_limit_s = boot_limit_s
        self._binary = binary
        self._context = context
        self._home = Home(context.home)

    async def start(self) -> Cli:
        """A server that listens, and a client of it.

        Raises:
            NotStarted: it does not come up; the message holds the end of its output.
            BackendUnusable: its version is not supported.
        """
        await self.tidy()
        for _ in range(_PORT_TRIES - 1):
            try:
                return await self._start_once()
            except _PortTaken:
                continue
        return await self._start_once()

    async def tidy(self) -> None:
        """Every process leaves megabytes in TMPDIR."""
        await asyncio.to_thread(shutil.rmtree, self._home.temporary, ignore_errors=True)

    async def _start_once(self) -> Cli:
        password = secrets.token_urlsafe(32)
        server = await self._spawn(password)
        try:
            if await server.listen(self._boot_limit_s):
                return await _greeted(Cli(server, Client(server.url, password)))
            epitaph = await server.epitaph()
        except BaseException:
            await server.end()
            raise
        await server.end()
        kind = _PortTaken if _PORT_TAKEN.search(epitaph) else NotStarted
        raise kind(f"opencode did not start: {epitaph}")

    async def _spawn(self, password: str) -> Server:
        try:
            self._home.prepare(self._context.env)
        except OSError as error:
            raise BackendUnusable(f"opencode's folder cannot be made: {error}") from error
        process = await self._context.processes.spawn(
            [self._binary, "serve", "--hostname", _HOST, "--port", str(_free_port())],
            cwd=self._context.workspace,
            env=environment(self._context.env, self._home, user=USER, password=password),
            merge_stderr=True,
        )
        process.stdin.close()
        return Server(process, self._context.processes)


async def _greeted(cli: Cli) -> Cli:
    """Once it has told a version that is supported. Raises BackendUnusable."""
    try:
        PROGRAM.check(await cli.client.version())
    except (Refused, BackendCrashed) as error:
        epitaph = await cli.epitaph()
        await cli.end()
        raise NotStarted(f"opencode did not start: {error}; {epitaph}") from error
    except BaseException:
        await cli.end()
        raise
    return cli


def _free_port() -> int:
    """One that nobody listens on now; the CLI's own choice is always the same."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
