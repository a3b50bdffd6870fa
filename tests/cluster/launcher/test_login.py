"""Who the gateway is to a cluster, and what it hears when that is not enough."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import StartFailed
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.errors import Refused
from gateway.launchers.kubernetes.objects import PODS
from tests.cluster.launcher.place import KubernetesPlace


def kubeconfig(path: Path, user: dict[str, Any]) -> str:
    """Of the test's cluster, for another user."""
    config = json.loads(Path(os.environ["FORGE_TEST_KUBECONFIG"]).read_text())
    config["users"][0]["user"] = user or config["users"][0]["user"]
    path.write_text(json.dumps(config))
    return str(path)


async def test_missing_permissions_are_told_at_start(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    """At once, with the verb and the kind of object."""
    token = await asyncio.to_thread(place.kubectl, "create", "token", "default")
    path = kubeconfig(tmp_path / "config", {"token": token.strip()})
    place.configure(KUBE_CONFIG_PATH=path)
    with pytest.raises(StartFailed, match=r"pods in namespace .* cannot list resource .pods."):
        await place.open()


async def test_a_token_that_is_refused_is_read_again(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    """Tokens run out; whoever writes a new one into the kubeconfig need not restart anything."""
    path = tmp_path / "config"
    place.configure(KUBE_CONFIG_PATH=kubeconfig(path, {"token": "out-of-date"}))
    api = ApiServer(place.settings())
    await api.open()
    kubeconfig(path, {})
    assert (await api.list(PODS, selector="")).version
    await api.close()


async def test_a_wrong_token_is_told(place: KubernetesPlace, tmp_path: Path) -> None:
    """As what it is."""
    place.configure(KUBE_CONFIG_PATH=kubeconfig(tmp_path / "config", {"token": "wrong"}))
    api = ApiServer(place.settings())
    await api.open()
    with pytest.raises(Refused, match="Unauthorized"):
        await api.list(PODS, selector="")
    await api.close()
