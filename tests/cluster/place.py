"""A test's namespace: looked at, and changed by kubectl."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.kubectl import Kubectl
from tests.cluster.namespace import namespace
from tests.cluster.objects import objects

PodCheck = Callable[[dict[str, Any] | None], bool]
_LOOK_S = 0.05


@dataclass(frozen=True)
class Place:
    """Frozen: what changes is in the cluster.

    Whatever is async here waits in a thread, so that a receiver in the same event loop
    goes on receiving.
    """

    name: str
    kubectl: Kubectl

    async def run(self, *words: str | Path, text: str = "", limit_s: float = 60.0) -> str:
        """kubectl in this namespace. Raises Failed with what it says."""
        return await asyncio.to_thread(self.kubectl, *words, text=text, limit_s=limit_s)

    async def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """As JSON; all of that kind, or those that the selector chooses."""
        return await asyncio.to_thread(objects, self.name, kind, selector)

    async def pod(self, agent_id: str) -> dict[str, Any] | None:
        """The agent's pod as it is now; None: there is none."""
        found = await self.objects("pods", f"agent-id={agent_id}")
        return found[0] if found else None

    async def until_pod(self, agent_id: str, holds: PodCheck, *, within_s: float = 30.0) -> None:
        """Wait until the condition holds of the agent's pod, or of None when it is gone.

        Raises:
            TimeoutError: it does not.
        """
        async with asyncio.timeout(within_s):
            while not holds(await self.pod(agent_id)):
                await asyncio.sleep(_LOOK_S)

    async def until_noted(self, agent_id: str) -> None:
        """Wait until a turn is noted on the agent's pod. Raises TimeoutError."""
        await self.until_pod(agent_id, lambda pod: pod is not None and bool(finalizers(pod)))


def finalizers(pod: dict[str, Any]) -> list[str]:
    """Those of an object."""
    found: list[str] = pod["metadata"].get("finalizers", [])
    return found


@contextmanager
def fresh_place() -> Iterator[Place]:
    """A new one; after the block it goes, with all that is in it."""
    with namespace("forge") as name:
        kubectl = Kubectl(name)
        try:
            yield Place(name, kubectl)
        finally:
            _free_pods(kubectl)


def _free_pods(kubectl: Kubectl) -> None:
    """No gateway is left that would take notes off them."""
    kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
    for pod in kubectl("get", "pods", "--output", "name").split():
        kubectl("patch", pod, "--type=merge", "--patch", '{"metadata":{"finalizers":null}}')
