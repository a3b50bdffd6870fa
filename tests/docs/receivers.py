"""The receivers of docs/receivers as processes."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.peers.noticed import Noticed

FOLDER = Path(__file__).parents[2] / "docs" / "receivers"
START_S = 20.0


@dataclass
class ShownReceiver:
    """One of them. `lines`: what it has shown, from its first event on."""

    process: Process
    url: str = ""
    lines: list[str] = field(default_factory=list)
    noticed: Noticed = field(default_factory=Noticed)

    async def until_shown(self, text: str, *, within_s: float = 20.0) -> None:
        await self.noticed.until(
            lambda: any(text in line for line in self.lines), within_s=within_s
        )

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip("\n"))
            self.noticed.tell()


def command(language: str) -> Sequence[str] | None:
    """How that receiver is started; None where its language is not installed."""
    if language == "python":
        return (sys.executable, str(FOLDER / "receiver.py"))
    node = shutil.which("node")
    return None if node is None else (node, str(FOLDER / "receiver.mjs"))


@asynccontextmanager
async def shown_receiver(argv: Sequence[str], secret: str) -> AsyncIterator[ShownReceiver]:
    """It listens on a free port as long as the context is open."""
    env = {"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret, "PORT": "0"}
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=PIPE)
    made = ShownReceiver(process)
    reading: asyncio.Task[None] | None = None
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            first = (await process.stdout.readline()).decode()
        made.url = first.removeprefix("listening on ").strip()
        reading = asyncio.create_task(made.read(), name="receiver-lines")
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading
