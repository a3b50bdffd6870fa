"""Gateways in a namespace of their own, deployed with the kustomize base of deploy/."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gateway.http.apikeys import ALL, new_key
from gateway.keyring import GatewayKey
from tests.cluster import containers, overlay
from tests.cluster.kubectl import Kubectl
from tests.cluster.node.commands import wait
from tests.cluster.node.errors import Failed
from tests.cluster.place import Place, fresh_place
from tests.peers.gateway import PLAIN, Client

GATEWAYS = "app.kubernetes.io/name=forge-gateway"
NAME = "deployment/forge-gateway"
_LOOK_S = 0.05


@dataclass(frozen=True)
class Replica:
    """One gateway's pod."""

    name: str
    uid: str
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}:8080"

    def kill(self) -> None:
        """kill -9 of the gateway; kubelet starts it again in the same pod."""
        containers.kill(self.uid)


@dataclass(frozen=True)
class Deployment(Place):
    """`url`: of the Service; `key`: an API key for all owners."""

    url: str
    key: str
    gateway_key: GatewayKey

    def wait_for_service(self) -> None:
        """Until kube-proxy, too, knows that gateways are ready. Raises Failed."""
        wait(self._answers, limit_s=20, otherwise="the Service did not answer")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", **PLAIN).status_code == 200
        except httpx.HTTPError:
            return False

    @asynccontextmanager
    async def client(self, user: str = "ada", *, url: str = "") -> AsyncIterator[Client]:
        """The HTTP API through the Service, or of the replica with that URL."""
        headers = {"authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(
            base_url=url or self.url, headers=headers, timeout=90, **PLAIN
        ) as http:
            yield Client(http, user)

    async def replicas(self) -> list[Replica]:
        """The gateways that are ready."""
        return [
            Replica(pod["metadata"]["name"], pod["metadata"]["uid"], pod["status"]["podIP"])
            for pod in await self.objects("pods", GATEWAYS)
            if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]
        ]

    async def all_ready(self, *, within_s: float = 60.0) -> list[Replica]:
        """The gateways, once as many are ready as are wanted, and no other is left."""
        async with asyncio.timeout(within_s):
            while True:
                pods = await self.objects("pods", GATEWAYS)
                (wanted,) = await self.objects("deployments", GATEWAYS)
                found = await self.replicas()
                if len(found) == len(pods) == wanted["spec"]["replicas"]:
                    return found
                await asyncio.sleep(_LOOK_S)

    async def logs(self) -> str:
        """What gateways have logged since their start, and before it if they were restarted."""
        said = []
        for pod in await self.objects("pods", GATEWAYS):
            name = pod["metadata"]["name"]
            said.append(await self.run("logs", name))
            if pod["status"]["containerStatuses"][0]["restartCount"]:
                said.append(await self.run("logs", name, "--previous"))
        return "".join(said)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """By kubelet's judgement."""
    conditions: Sequence[Mapping[str, str]] = pod["status"].get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@contextmanager
def deployed(
    *,
    replicas: int = 2,
    components: Sequence[Path] = (),
    template: Mapping[str, Any] | None = None,
    **settings: str,
) -> Iterator[Deployment]:
    """Gateways with these components and settings, ready; gone after the block, with all that
    they have made. `template`: of agents' pods."""
    with fresh_place() as place:
        kubectl = place.kubectl
        key, line = new_key("tests", [ALL])
        gateway_key = GatewayKey.new()
        _secret(kubectl, "forge-api-keys", line)
        _secret(kubectl, "forge-gateway-keys", gateway_key.line())
        try:
            with tempfile.TemporaryDirectory(prefix="forge-overlay-") as folder:
                asked = overlay.Asked(place.name, replicas, settings, components, template or {})
                overlay.write(Path(folder), asked)
                kubectl("apply", "--server-side", "--validate=strict", "--kustomize", folder)
            _wait_until_ready(kubectl)
            address = kubectl("get", "service/forge-gateway", "--output=jsonpath={.spec.clusterIP}")
            made = Deployment(place.name, kubectl, f"http://{address}:8080", key, gateway_key)
            if replicas:
                made.wait_for_service()
            yield made
        finally:
            kubectl("delete", NAME, "--ignore-not-found", "--wait=false")


def _wait_until_ready(kubectl: Kubectl) -> None:
    """Raises Failed, with what the gateways said, when they are not."""
    try:
        kubectl("rollout", "status", NAME, "--timeout=50s")
    except Failed as error:
        said = kubectl("logs", "--selector", GATEWAYS, "--tail=20", "--prefix")
        raise Failed(f"{error}\n{said}") from error


def _secret(kubectl: Kubectl, name: str, content: str) -> None:
    kubectl("create", "secret", "generic", name, f"--from-literal=keys={content}")
