"""Agents that hold a relay and say nothing: what they cost a gateway.

`python -m tests.bench.idle STATE SOCKETS COUNT` plays them all, for as many real
runtimes would not fit: each has its folder, its lock and its socket, takes one
message, opens its turn to whoever relays it, and then is silent. Says `ready`,
and `attached` once every one of them is relayed.
"""

import asyncio
import fcntl
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.keyring import Keyring
from gateway.launchers.local.facts import AgentFacts
from gateway.launchers.local.folder import AgentFolder
from gateway.launchers.local.folders import AgentFolders
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

Context = grpc.aio.ServicerContext[Any, Any]


class Quiet(relay_pb2_grpc.RelayServiceServicer):
    """All of them; a call's token says which one is meant."""

    def __init__(self) -> None:
        self.agents: dict[str, str] = {}
        self.attached = 0
        self.all_attached = asyncio.Event()
        self._opened: dict[str, relay_pb2.OpenTurn] = {}

    def add(self, agent_id: str, token_sha256: str) -> None:
        self.agents[token_sha256] = agent_id

    async def Submit(
        self, request: relay_pb2.SubmitRequest, context: Context
    ) -> relay_pb2.SubmitResponse:
        request_id = request.request.request_id
        self._opened[self._agent(context)] = relay_pb2.OpenTurn(
            request_id=request_id, ticket=request.ticket, generation=1
        )
        return relay_pb2.SubmitResponse(result=relay_pb2.SubmitResponse.RESULT_ACCEPTED)

    async def Relay(
        self, request_iterator: AsyncIterator[relay_pb2.RelayUp], context: Context
    ) -> AsyncIterator[relay_pb2.RelayDown]:
        agent_id = self._agent(context)
        yield relay_pb2.RelayDown(hello=relay_pb2.Hello(agent_id=agent_id))
        yield relay_pb2.RelayDown(turn=self._opened[agent_id])
        self.attached += 1
        if self.attached == len(self.agents):
            self.all_attached.set()
        async for _ in request_iterator:
            pass

    def _agent(self, context: Context) -> str:
        metadata = dict(context.invocation_metadata() or ())
        token = str(metadata["authorization"]).removeprefix("Bearer ")
        return self.agents[hashlib.sha256(token.encode()).hexdigest()]


def make(folder: AgentFolder, keyring: Keyring) -> int:
    """The agent's files, and its lock held; the lock's file descriptor."""
    folder.make()
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder.file(
        AgentFacts(
            agent_id=folder.agent_id,
            user_id="ada",
            backend="command",
            model="",
            permission_mode="acceptEdits",
            env={},
            labels={},
            key_id=keyring.current_id,
            created_at=datetime.now(UTC),
        )
    )
    return lock


async def play(state: Path, sockets: Path, count: int) -> None:
    """Until the process is killed."""
    keyring = Keyring.load(state)
    folders = AgentFolders(state / "agents", sockets)
    quiet = Quiet()  # type: ignore[abstract]  # what nobody calls here stays UNIMPLEMENTED
    server = grpc.aio.server()
    relay_pb2_grpc.add_RelayServiceServicer_to_server(quiet, server)
    checks = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for number in range(count):
        folder = folders.folder(f"idle-{number}")
        key_id = keyring.current_id
        quiet.add(folder.agent_id, keyring.token_sha256(folder.agent_id, "relay", key_id=key_id))
        make(folder, keyring)
        server.add_insecure_port(folder.target)
    await checks.set("", health_pb2.HealthCheckResponse.SERVING)
    await server.start()
    _say("ready")
    await quiet.all_attached.wait()
    _say("attached")
    await server.wait_for_termination()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(play(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
