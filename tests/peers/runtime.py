"""A real agent process for tests: `python -m agent_runtime` on a Unix socket."""

from __future__ import annotations  # the async stubs exist for the type checker only

import asyncio
import hashlib
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

CLIENT_TOKEN = "client-token"
RELAY_TOKEN = "relay-token"
CLIENT = (("authorization", f"Bearer {CLIENT_TOKEN}"),)
RELAY = (("authorization", f"Bearer {RELAY_TOKEN}"),)


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass
class Runtime:
    """One folder in which runtimes are started, one after the other."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    process: Process | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.folder / 's'}"

    def env(self) -> dict[str, str]:
        own = {
            "AGENT_ID": "agent-1",
            "FORGE_STATE_DIR": str(self.folder / "state"),
            "AGENT_CWD": str(self.folder / "workspace"),
            "FORGE_LISTEN": self.address,
            "FORGE_BACKEND": "command",
            "FORGE_CLIENT_TOKEN_SHA256": _sha256(CLIENT_TOKEN),
            "FORGE_RELAY_TOKEN_SHA256": _sha256(RELAY_TOKEN),
        }
        return {"PATH": os.environ["PATH"], **own, **self.settings}

    async def launch(self) -> Process:
        """Does not wait until it answers."""
        log = (self.folder / "log").open("ab")
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent_runtime", env=self.env(), stdout=log, stderr=log
        )
        log.close()
        return self.process

    async def start(self) -> Process:
        """Returns once it answers."""
        process = await self.launch()
        async with grpc.aio.insecure_channel(self.address) as channel:
            stub = agent_pb2_grpc.AgentServiceStub(channel)
            answering = stub.GetStatus(
                agent_pb2.GetStatusRequest(), metadata=CLIENT, wait_for_ready=True, timeout=20
            )
            await answering
        return process

    async def kill(self) -> None:
        """kill -9 of the runtime alone, never of its CLI."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def end(self) -> None:
        """SIGTERM, so that it ends its CLI too; then kill -9."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), 15)
        finally:
            await self.kill()

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")


@asynccontextmanager
async def agent_stub(runtime: Runtime) -> AsyncIterator[agent_pb2_grpc.AgentServiceAsyncStub]:
    async with grpc.aio.insecure_channel(runtime.address) as channel:
        yield agent_pb2_grpc.AgentServiceStub(channel)


@asynccontextmanager
async def relay_stub(runtime: Runtime) -> AsyncIterator[relay_pb2_grpc.RelayServiceAsyncStub]:
    async with grpc.aio.insecure_channel(runtime.address) as channel:
        yield relay_pb2_grpc.RelayServiceStub(channel)


def message(request_id: str, content: str, *, timeout_ms: int = 0) -> agent_pb2.AgentRequest:
    send = agent_pb2.SendMessageRequest(content=content, timeout_ms=timeout_ms)
    return agent_pb2.AgentRequest(request_id=request_id, send_message=send)


def interrupt(request_id: str, target: str = "") -> agent_pb2.AgentRequest:
    return agent_pb2.AgentRequest(
        request_id=request_id, interrupt=agent_pb2.InterruptRequest(target=target)
    )


async def submit(
    stub: relay_pb2_grpc.RelayServiceAsyncStub,
    request: agent_pb2.AgentRequest,
    *,
    ticket: bytes = b"",
) -> relay_pb2.SubmitResponse:
    return await stub.Submit(
        relay_pb2.SubmitRequest(request=request, ticket=ticket), metadata=RELAY, timeout=10
    )


async def replay(
    stub: relay_pb2_grpc.RelayServiceAsyncStub, request_id: str, *, limit_s: float = 30
) -> list[agent_pb2.AgentResponse]:
    """All responses of a turn, followed to its final."""
    request = relay_pb2.ReplayRequest(request_id=request_id, follow=True)
    call = stub.Replay(request, metadata=RELAY, timeout=limit_s)
    return [response async for batch in call for response in batch.events]
