"""What the launchers' contract suite needs of a cluster."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

from gateway.keyring import Keyring
from gateway.keyring.key import GatewayKey
from gateway.launchers.kubernetes import KubernetesLauncher
from gateway.launchers.kubernetes.agents import KnownAgent
from gateway.settings import Settings
from tests.cluster.kubectl import Kubectl
from tests.cluster.objects import objects

IMAGE = {
    "CONTAINER_REGISTRY": "localhost",
    "AGENT_IMAGE_NAME": "forge-agent",
    "AGENT_IMAGE_TAG": "test",
    "FORGE_AGENT_IMAGE_PULL_POLICY": "Never",
    "FORGE_AGENT_CPU_REQUEST": "20m",
    "FORGE_AGENT_MEMORY_REQUEST": "32Mi",
}
"""The agents' image as the test node has it, and little enough for many on a small machine."""

SWEEP_EVERY_S = 0.5
_LOOK_S = 0.1


class KubernetesPlace:
    """One namespace, emptied at the end, and the gateways that use it."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.kubectl = Kubectl(namespace)
        self.keyring = Keyring([GatewayKey.new()])
        self.variables: dict[str, str] = {}
        self.env: dict[str, str] = {}
        self._launchers: list[KubernetesLauncher] = []

    def configure(self, **variables: str) -> None:
        """Settings of the gateways opened from now on."""
        self.variables = variables

    def settings(self) -> Settings:
        return Settings.from_env(
            {
                **IMAGE,
                "KUBE_CONFIG_PATH": os.environ["FORGE_TEST_KUBECONFIG"],
                "AGENT_NAMESPACE": self.namespace,
                "FORGE_NUDGE_PORT": str(_free_port()),
                **self.variables,
            }
        )

    async def open(self) -> KubernetesLauncher:
        launcher = KubernetesLauncher(
            self.settings(), self.keyring, env=self.env, sweep_every_s=SWEEP_EVERY_S
        )
        self._launchers.append(launcher)
        await launcher.start()
        return launcher

    async def kill(self, agent_id: str) -> None:
        before = {launcher: self.known(agent_id, launcher).life for launcher in self._launchers}
        pod = self.known(agent_id).pod
        assert pod is not None
        for pid in processes(pod.metadata.uid):
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(15):
            for launcher in self._launchers:
                while self.known(agent_id, launcher).life == before[launcher]:
                    await asyncio.sleep(0.01)

    async def left(self, *kinds: str) -> list[str]:
        """Names of all objects of these kinds, also of those that are only going."""
        found = [await asyncio.to_thread(objects, self.namespace, kind) for kind in kinds]
        return [item["metadata"]["name"] for items in found for item in items]

    async def without(self, *kinds: str, within_s: float = 60.0) -> None:
        """Wait until there are none of these kinds. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while await self.left(*kinds):
                await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        for launcher in self._launchers:
            await launcher.close()
        await asyncio.to_thread(
            self.kubectl, "delete", "pods,persistentvolumeclaims", "--all", "--force", "--wait"
        )

    def known(self, agent_id: str, launcher: KubernetesLauncher | None = None) -> KnownAgent:
        known = (launcher or self._launchers[0])._agents.find(agent_id)
        assert known is not None
        return known


def processes(pod_uid: str, command: str = "agent_runtime") -> list[int]:
    """Of that pod, by their numbers on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdecimal() and pod_uid in (folder / "cgroup").read_text():
                line = (folder / "cmdline").read_bytes().decode()
                if command in line and "tini" not in line:
                    found.append(int(folder.name))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
