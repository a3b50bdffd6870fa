"""Real gateways: `forge serve` as processes, on state that outlives them."""

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.gateway.cli.leftovers import end_runtimes_of

PLAIN: Any = {"trust_env": False, "verify": False}
"""For clients of plain HTTP: authorities that nobody asks for take 25 ms of CPU to load."""
START_S = 20.0
_END_S = 20.0


@dataclass
class House:
    """One state folder, and the gateways that share it."""

    folder: Path
    sockets: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    gateways: list["GatewayProcess"] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def env(self) -> dict[str, str]:
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PORT": "0",
            "FORGE_STATE_DIR": str(self.state),
            "FORGE_RUNTIME_DIR": str(self.sockets),
            "FORGE_LOG_FORMAT": "json",
            "PYTHONWARNINGS": "error",
        }
        return {**own, **self.settings}

    async def gateway(self, **settings: str) -> "GatewayProcess":
        """Another gateway on this state, started and ready."""
        made = GatewayProcess(self, settings)
        self.gateways.append(made)
        await made.start()
        return made

    def journals(self) -> list[Path]:
        return sorted(self.state.glob("agents/*/journal.db"))

    def kill_runtimes(self) -> None:
        """kill -9 of everything that agents run; a gateway starts them again."""
        end_runtimes_of(str(self.state / "agents"))

    def logs(self) -> str:
        """What gateways and agents have logged."""
        agents = [path.read_text("utf-8", "replace") for path in self.state.glob("agents/*/log")]
        return "".join([*agents, *(gateway.log for gateway in self.gateways)])


@dataclass
class GatewayProcess:
    """One `forge serve`."""

    house: House
    settings: Mapping[str, str]
    process: Process | None = None
    url: str = ""
    _log: bytearray = field(default_factory=bytearray)
    _reading: "asyncio.Task[None] | None" = None

    @property
    def log(self) -> str:
        return self._log.decode("utf-8", "replace")

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.cli",
            "serve",
            env={**self.house.env(), **self.settings},
            stdout=PIPE,
            stderr=PIPE,
        )
        assert self.process.stdout is not None
        self._reading = asyncio.create_task(self._keep_log())
        async with asyncio.timeout(START_S):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("listening on "), (line, self.log)
        self.url = line.removeprefix("listening on ").strip()

    async def _keep_log(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65536):
            self._log += chunk

    async def kill(self) -> None:
        """kill -9; the agents go on."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int | None:
        """SIGTERM; the exit status."""
        return await self._signal(signal.SIGTERM)

    def suspend(self) -> None:
        """SIGSTOP: it holds what it holds and says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def said(self, event: str) -> None:
        """Wait until it has logged that."""
        async with asyncio.timeout(_END_S):
            while f'"event": "{event}"' not in self.log:
                await asyncio.sleep(0.02)

    async def _signal(self, number: signal.Signals) -> int | None:
        assert self.process is not None
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
        try:
            async with asyncio.timeout(_END_S):
                return await self.process.wait()
        finally:
            if self._reading is not None:
                await self._reading

    @asynccontextmanager
    async def client(self, user: str = "ada", key: str = "") -> AsyncIterator["Client"]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with httpx.AsyncClient(
            base_url=self.url, headers=headers, timeout=30, **PLAIN
        ) as http:
            yield Client(http, user)


@dataclass(frozen=True)
class Client:
    """The HTTP API as one user calls it."""

    http: httpx.AsyncClient
    user: str

    async def create(self, **body: Any) -> str:
        """The id of a new agent with the `command` backend, if not told otherwise."""
        asked = {"owner_id": self.user, "backend": "command", **body}
        answer = await self.http.post("/api/v1/agents", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["agent_id"])

    async def begin(self, **body: Any) -> str:
        """The same, of one that need not be ready."""
        asked = {"owner_id": self.user, "backend": "command", **body}
        answer = await self.http.post("/api/v1/agents?wait=false", json=asked)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["agent_id"])

    async def send(
        self, agent_id: str, content: str, webhook_url: str, **body: Any
    ) -> httpx.Response:
        return await self.http.post(
            f"/api/v1/agents/{agent_id}/messages",
            params={"user_id": self.user},
            json={"content": content, "webhook_url": webhook_url, **body},
        )

    async def tasks(self) -> int:
        """Of the gateway's event loop, by its own metrics."""
        answer = await self.http.get("/metrics")
        (line,) = [line for line in answer.text.splitlines() if line.startswith("forge_tasks ")]
        return int(float(line.split()[1]))

    async def interrupt(self, agent_id: str, webhook_url: str, **body: Any) -> httpx.Response:
        return await self.http.post(
            f"/api/v1/agents/{agent_id}/interrupt",
            params={"user_id": self.user},
            json={"webhook_url": webhook_url, **body},
        )

    async def get(self, agent_id: str, **query: str) -> httpx.Response:
        return await self.http.get(
            f"/api/v1/agents/{agent_id}", params={"user_id": self.user, **query}
        )

    async def delete(self, agent_id: str, **query: str) -> httpx.Response:
        return await self.http.delete(
            f"/api/v1/agents/{agent_id}", params={"user_id": self.user, **query}
        )


@asynccontextmanager
async def house(folder: Path, **settings: str) -> AsyncIterator[House]:
    """An empty state folder; every gateway and every agent of it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="forge-") as sockets:
        made = House(folder, Path(sockets), settings)
        try:
            yield made
        finally:
            for gateway in made.gateways:
                await gateway.kill()
            end_runtimes_of(str(made.state))
