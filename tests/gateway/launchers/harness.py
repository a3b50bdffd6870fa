"""What the contract suite needs of a launcher's surroundings, and the local ones."""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import grpc

from gateway.keyring import Keyring
from gateway.launchers.local import LocalLauncher
from gateway.launchers.local.facts import AgentFacts
from gateway.launchers.local.folder import AgentFolder
from gateway.launchers.local.process import RuntimeProcess
from gateway.launchers.protocol import Launcher
from gateway.model import AgentSpec
from gateway.settings import Settings
from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

POLL_S = 0.01
SWEEP_EVERY_S = 0.2


class Place(Protocol):
    """Where agents live; several gateways may come and go."""

    keyring: Keyring

    async def open(self) -> Launcher:
        """Another gateway's launcher, started."""
        ...

    async def kill(self, agent_id: str) -> None:
        """End the runtime of that agent without warning; returns when it is gone."""
        ...

    async def close(self) -> None:
        """End everything, runtimes included."""
        ...


def spec(
    agent_id: str = "a1",
    *,
    user_id: str = "ada",
    backend: str = "command",
    permission_mode: str = "acceptEdits",
    policy: str = "",
    env: Mapping[str, str] | None = None,
) -> AgentSpec:
    """What most tests ask for."""
    return AgentSpec(
        agent_id=agent_id,
        user_id=user_id,
        backend=backend,
        permission_mode=permission_mode,
        policy=policy,
        env=env or {},
    )


async def eventually(condition: Callable[[], bool], *, within_s: float = 15.0) -> None:
    """Other processes' files and ends send no event to wait for: they are looked at."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(POLL_S)


async def status(
    place: Place, launcher: Launcher, agent_id: str = "a1"
) -> agent_pb2.GetStatusResponse:
    """Reach the agent and ask it with a client's token."""
    target = await launcher.reach(agent_id, timeout_s=15)
    token = place.keyring.token(agent_id, "client", key_id=place.keyring.current_id)
    async with grpc.aio.insecure_channel(target) as channel:
        answer: agent_pb2.GetStatusResponse = await agent_pb2_grpc.AgentServiceStub(
            channel
        ).GetStatus(
            agent_pb2.GetStatusRequest(),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=10,
            wait_for_ready=True,
        )
    return answer


async def submit(
    place: Place, launcher: Launcher, content: str, *, agent_id: str = "a1", ticket: bytes = b""
) -> None:
    """A message, journalled by the agent when this returns. With a ticket it waits for a relay."""
    target = await launcher.reach(agent_id, timeout_s=15)
    token = place.keyring.token(agent_id, "relay", key_id=place.keyring.current_id)
    message = agent_pb2.SendMessageRequest(content=content)
    request = agent_pb2.AgentRequest(request_id="r1", send_message=message)
    async with grpc.aio.insecure_channel(target) as channel:
        await relay_pb2_grpc.RelayServiceStub(channel).Submit(
            relay_pb2.SubmitRequest(request=request, ticket=ticket),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=10,
        )


async def retire(place: Place, launcher: Launcher, agent_id: str = "a1") -> None:
    """Tell the runtime to go, as whoever deletes an agent does."""
    target = await launcher.reach(agent_id, timeout_s=15)
    token = place.keyring.token(agent_id, "relay", key_id=place.keyring.current_id)
    async with grpc.aio.insecure_channel(target) as channel:
        await relay_pb2_grpc.RelayServiceStub(channel).Retire(
            relay_pb2.RetireRequest(),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=10,
        )


class LocalPlace:
    """A state folder and a runtime folder of this test alone."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="forge-"))  # short: sockets have 103 bytes
        self.env = {"PATH": os.environ["PATH"]}
        self.configure()
        self.keyring = Keyring.load(self.settings.state_dir)
        self.agents = self.settings.state_dir / "agents"
        self._launchers: list[LocalLauncher] = []

    def configure(self, **variables: str) -> None:
        """Settings of the gateways opened from now on."""
        places = {"FORGE_STATE_DIR": self.root / "state", "FORGE_RUNTIME_DIR": self.root / "run"}
        self.settings = Settings.from_env({**{k: str(v) for k, v in places.items()}, **variables})

    async def open(self) -> LocalLauncher:
        launcher = LocalLauncher(
            self.settings, self.keyring, env=self.env, sweep_every_s=SWEEP_EVERY_S
        )
        self._launchers.append(launcher)
        await launcher.start()
        return launcher

    async def kill(self, agent_id: str) -> None:
        for process in self.processes(agent_id):
            os.kill(process.pid, signal.SIGKILL)
            await asyncio.wait({process.ended}, timeout=10)

    async def close(self) -> None:
        for launcher in self._launchers:
            await launcher.close()
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await asyncio.wait({process.ended}, timeout=10)
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self.root)

    def folder(self, agent_id: str = "a1") -> AgentFolder:
        return self._launchers[0]._folders.folder(agent_id)

    def facts(self, agent_id: str) -> AgentFacts:
        """As another gateway would have filed them."""
        epoch = datetime.fromtimestamp(0, UTC)
        return AgentFacts.of(spec(agent_id), key_id=self.keyring.current_id, created_at=epoch)

    def processes(self, agent_id: str | None = None) -> list[RuntimeProcess]:
        """The living children of all gateways here."""
        return [
            process
            for launcher in self._launchers
            for name, process in list(launcher._runtimes._processes.items())
            if agent_id in (None, name) and not process.ended.done()
        ]
