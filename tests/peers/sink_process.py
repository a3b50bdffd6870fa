"""Receivers as processes: started, killed, stopped and continued by their own pids."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

_START_S = 20.0
_HOST = "127.0.0.1"
_NO_NUMBER = re.compile(r"[+-]?Inf|NaN")
"""Rates over no time, as Go prints them."""


@dataclass
class SinkProcess:
    """`tests.peers.sink`; started again it listens where it did. `options`: of its command.

    `folder`: the one whose warden ends it too.
    """

    options: Sequence[str] = ()
    folder: Path | None = None
    host: str = _HOST
    port: int = 0
    process: Process | None = field(default=None, repr=False)

    @property
    def base(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.peers.sink",
            self.host,
            str(self.port),
            *self.options,
            env={**os.environ, **({"TMPDIR": str(self.folder)} if self.folder else {})},
            stdout=PIPE,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(_START_S):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("listening on "), "the receiver did not start"
        self.port = int(line.rpartition(":")[2])

    async def kill(self) -> None:
        """kill -9; nothing when it does not run."""
        if self.process is not None and self.process.returncode is None:
            self.send(signal.SIGKILL)
            await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)


@asynccontextmanager
async def sink(*options: str, host: str = _HOST) -> AsyncIterator[SinkProcess]:
    """A receiver on a free port until the block ends."""
    made = SinkProcess(options, host=host)
    try:
        await made.start()
        yield made
    finally:
        await made.kill()


async def stats(base: str) -> dict[str, Any]:
    """What the receiver there has counted."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.get(f"{base}/stats")
    told: dict[str, Any] = json.loads(_NO_NUMBER.sub("0", answer.text))
    return told


async def reset(base: str) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        await http.post(f"{base}/reset")
