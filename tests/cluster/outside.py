"""A gateway outside of the cluster, as one develops with: `forge serve` and a kubeconfig."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cluster import overlay
from tests.cluster.place import Place
from tests.peers.gateway import GatewayProcess, House, house


@asynccontextmanager
async def gateway_outside(
    folder: Path, place: Place, *, kubeconfig: str = "", **settings: str
) -> AsyncIterator[GatewayProcess]:
    """One for the agents of that namespace until the block ends; nobody nudges it.

    `kubeconfig`: its path; unset, the administrator's. Raises AssertionError with what it says
    when it does not start.
    """
    async with house_outside(folder, place, kubeconfig=kubeconfig, **settings) as made:
        yield await made.gateway()


@asynccontextmanager
async def house_outside(
    folder: Path, place: Place, *, kubeconfig: str = "", **settings: str
) -> AsyncIterator[House]:
    """Where such gateways are started; none is yet."""
    given = {
        **overlay.AGENTS,
        "KUBE_CONFIG_PATH": kubeconfig or os.environ["FORGE_TEST_KUBECONFIG"],
        "AGENT_NAMESPACE": place.name,
        "FORGE_NUDGE_PORT": "0",
        **settings,
    }
    async with house(folder, **given) as made:
        yield made
