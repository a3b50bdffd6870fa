"""A page's session, run as it is shown, on ports and folders of its own."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.likeness import Likeness
from tests.docs.page import ROOT, Step
from tests.peers.gateway import House
from tests.peers.noticed import Noticed

LIMIT_S = 60.0
"""The first prompt starts a CLI, on whatever machine."""
_STAYS_UP = re.compile(r"(?:^|\s)forge (serve|listen)\b")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass
class _Program:
    """One that stays up. `lines`: what it has shown and no step has asked for yet."""

    process: Process
    lines: list[str] = field(default_factory=list)
    noticed: Noticed = field(default_factory=Noticed)

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.lines.append(line.decode().rstrip("\n"))
            self.noticed.tell()


class Session:
    """Runs steps in order. What stays up ends with it."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self._env = env
        self._folder = folder
        self._likeness = Likeness()
        self._programs: list[_Program] = []
        self._reading: list[asyncio.Task[None]] = []

    async def run(self, step: Step) -> None:
        """Raises AssertionError when it shows something else than the page."""
        if not step.command:
            await self._shows_next(self._programs[-1], step)
        elif step.command.startswith("export "):
            name, _, value = shlex.split(step.command)[1].partition("=")
            self._env[name] = self._likeness.here(value)
        elif found := _STAYS_UP.search(step.command):
            await self._start(step, gateway=found[1] == "serve")
        else:
            await self._run(step)

    async def close(self) -> None:
        for program in self._programs:
            if program.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(program.process.pid, signal.SIGKILL)
            await program.process.wait()
        await asyncio.gather(*self._reading)

    async def _run(self, step: Step) -> None:
        process = await self._spawn(step.command)
        try:
            out, _ = await asyncio.wait_for(process.communicate(), LIMIT_S)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        shown = out.decode().splitlines()
        assert self._likeness.matches(step.shown, shown), _difference(step, shown)

    async def _start(self, step: Step, *, gateway: bool) -> None:
        program = _Program(await self._spawn(f"{step.command} --port 0"))
        self._programs.append(program)
        self._reading.append(asyncio.create_task(program.read(), name="program-lines"))
        await program.noticed.until(lambda: bool(program.lines), within_s=LIMIT_S)
        named, here = _ADDRESS.search(step.shown[0]), _ADDRESS.search(program.lines[0])
        assert named, step
        assert here, program.lines
        self._likeness.same(named[0], here[0])
        if gateway:
            self._env["FORGE_URL"] = here[0]
        await self._shows_next(program, step)

    async def _shows_next(self, program: _Program, step: Step) -> None:
        def has_shown() -> bool:
            shown = program.lines[: len(step.shown)]
            return self._likeness.matches(step.shown, shown)

        with contextlib.suppress(TimeoutError):
            await program.noticed.until(has_shown, within_s=LIMIT_S)
        assert has_shown(), _difference(step, program.lines)
        del program.lines[: len(step.shown)]

    async def _spawn(self, command: str) -> Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self._likeness.here(command),
            env=self._env,
            cwd=self._folder,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )


@asynccontextmanager
async def session(house: House) -> AsyncIterator[Session]:
    """In the house's folder, with its state, where the files that pages name are found."""
    work = house.folder / "work"
    work.mkdir()
    for name in ("docs", "proto"):
        (work / name).symlink_to(ROOT / name)
    env = house.env() | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "FORGE_LOG_FORMAT": "text",  # as on a terminal
    }
    made = Session(env, work)
    try:
        yield made
    finally:
        await made.close()


def _difference(step: Step, shown: list[str]) -> str:
    page = "\n".join(step.shown)
    here = "\n".join(shown)
    return f"{step.command or 'next'}\n--- the page says\n{page}\n--- here it was\n{here}"
