"""The API server is away: what is known goes on to be known."""

import asyncio
import time
from pathlib import Path

import pytest

from gateway.errors import NotFound, StartFailed, Unavailable
from tests.cluster.launcher.line import line_to_the_api_server
from tests.cluster.launcher.place import KubernetesPlace
from tests.gateway.launchers.harness import spec, status


async def test_agents_are_found_without_the_api_server(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    """On the path of a message nobody asks it; what needs it fails soon, and says why; once it
    is back, what has happened meanwhile is known."""
    async with line_to_the_api_server(tmp_path) as (line, kubeconfig):
        place.configure(KUBE_CONFIG_PATH=str(kubeconfig))
        launcher = await place.open()
        made = await launcher.create(spec(), wait_s=20)
        line.cut()
        began_s = time.monotonic()
        for _ in range(100):
            assert await launcher.get("a1") == made
            assert await launcher.list("ada") == [made]
            await launcher.reach("a1", timeout_s=1)
        assert time.monotonic() - began_s < 1
        assert (await status(place, launcher)).agent_id == "a1"
        with pytest.raises(Unavailable, match="API server"):
            await launcher.get("a2")
        with pytest.raises(StartFailed, match="API server"):
            await launcher.create(spec("a3"), wait_s=1)
        with pytest.raises(Unavailable):
            await launcher.delete("a1")
        await asyncio.to_thread(place.kubectl, "delete", "pod", "ada-a1", "--force")
        line.heal()
        async with asyncio.timeout(15):
            while await launcher.list():
                await asyncio.sleep(0.05)
        with pytest.raises(NotFound):
            await launcher.get("a1")
        await launcher.close()
