"""What a gateway makes of the objects in its caches. No API server: only what it would say."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from gateway.launchers.kubernetes.agents import Agents
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.objects import (
    CLAIMS,
    PODS,
    WARNINGS,
    Listing,
    Pod,
    VolumeClaim,
    Warned,
)
from gateway.launchers.kubernetes.reflector import Reflector
from gateway.launchers.kubernetes.targets import Targets
from gateway.launchers.kubernetes.view import shown
from gateway.launchers.kubernetes.warnings import Warnings
from gateway.settings import Settings
from tests.gateway.launchers.kubernetes.manifests import facts

NOBODY = "127.0.0.1"  # nothing listens on an agent's port there
RUNNING = {
    "phase": "Running",
    "podIP": NOBODY,
    "containerStatuses": [{"name": "forge-agent", "state": {"running": {}}, "containerID": "c1"}],
}


@dataclass
class Caches:
    pods: Reflector[Pod]
    claims: Reflector[VolumeClaim]
    events: Reflector[Warned]
    agents: Agents
    told: list[str]

    def pod(self, version: int, *, uid: str = "u1", **status: Any) -> Pod:
        return msgspec.convert(
            {"metadata": metadata(version, uid=uid), "status": status or RUNNING}, Pod
        )

    def claim(self, version: int, **more: Any) -> VolumeClaim:
        return msgspec.convert({"metadata": metadata(version, uid="v1", **more)}, VolumeClaim)


def warning(version: int, message: str) -> Warned:
    return msgspec.convert(
        {
            "metadata": {"name": message, "uid": message, "resourceVersion": str(version)},
            "involvedObject": {"name": facts().name, "uid": "u1"},
            "reason": "FailedMount",
            "message": message,
        },
        Warned,
    )


def metadata(version: int, **more: Any) -> dict[str, Any]:
    made = {"creationTimestamp": datetime(2026, 1, 2, tzinfo=UTC), "resourceVersion": str(version)}
    return {**facts().metadata(), **made, **more}


@asynccontextmanager
async def caches() -> AsyncIterator[Caches]:
    api = ApiServer(Settings())
    pods = Reflector(api, PODS, selector="")
    claims = Reflector(api, CLAIMS, selector="")
    events = Reflector(api, WARNINGS, selector="")
    agents = Agents(pods, claims, Targets(), Warnings(events))
    told: list[str] = []
    agents.listen(told.append)
    try:
        yield Caches(pods, claims, events, agents, told)
    finally:
        await agents.close()


async def test_own_changes_do_not_go_back_in_time() -> None:
    """A watch that is behind tells what was; what a call was answered since then stays."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(5))
        seen.pods.saw(seen.pod(4, phase="Pending"))
        known = seen.agents.find("a1")
        assert known is not None
        assert known.pod == seen.pod(5)
        assert seen.told == ["a1"]


async def test_a_list_keeps_what_was_seen_after_it() -> None:
    """And removes what it would hold if it still was there."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(5))
        seen.pods._replace(Listing("4", {}))
        assert seen.agents.find("a1") is not None
        seen.pods._replace(Listing("6", {}))
        assert seen.agents.find("a1") is None


async def test_a_cluster_restored_from_a_backup_is_believed() -> None:
    """Its versions are older than what is known; what is known is not true any more."""
    async with caches() as seen:
        seen.pods._replace(Listing("9", {"ada-a1": seen.pod(9)}))
        seen.pods._replace(Listing("3", {"ada-a1": seen.pod(2, phase="Pending")}))
        known = seen.agents.find("a1")
        assert known is not None
        assert known.pod == seen.pod(2, phase="Pending")
        seen.pods._replace(Listing("1", {}))
        assert seen.agents.find("a1") is None


async def test_another_pod_of_the_same_name_is_another_one() -> None:
    """Told as gone and come."""
    async with caches() as seen:
        seen.pods._replace(Listing("5", {"ada-a1": seen.pod(5)}))
        seen.told.clear()
        seen.pods._replace(Listing("7", {"ada-a1": seen.pod(6, uid="u2")}))
        assert seen.told == ["a1", "a1"]


async def test_an_agent_with_a_volume_is_there_without_its_pod() -> None:
    """It waits for one; a mark on the claim is a mark on the agent."""
    async with caches() as seen:
        seen.claims.saw(seen.claim(1))
        seen.pods.saw(seen.pod(2))
        seen.pods._replace(Listing("3", {}))
        known = seen.agents.find("a1")
        assert known is not None
        told = shown(known)
        assert (told.phase, told.ready, told.reason) == ("Pending", False, "Restarting")
        annotations = {**facts().annotations(), "forge.dev/deleted": "17"}
        seen.claims.saw(seen.claim(4, annotations=annotations))
        marked = seen.agents.find("a1")
        assert marked is not None
        assert marked.deleted_ms == 17


async def test_warnings_are_of_one_pod_and_the_last_one_counts() -> None:
    """Whoever waits for that agent is woken; another pod of that name begins without them."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(1, phase="Pending"))
        seen.told.clear()
        seen.events.saw(warning(3, "second"))
        seen.events.saw(warning(2, "first"))
        assert seen.told == ["a1"]
        known = seen.agents.find("a1")
        assert known is not None
        told = shown(known)
        assert (told.reason, told.message) == (
            "FailedMount",
            "its pod cannot be started yet: second",
        )
        seen.pods.saw(seen.pod(4, uid="u2", phase="Pending"))
        known = seen.agents.find("a1")
        assert known is not None
        assert shown(known).reason == "Starting"


async def test_forgotten_warnings_are_forgotten_here() -> None:
    """Kubernetes removes its events after an hour."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(1, phase="Pending"))
        seen.events.saw(warning(2, "first"))
        seen.events._replace(Listing("3", {}))
        known = seen.agents.find("a1")
        assert known is not None
        assert known.warned is None


async def test_facts_that_somebody_breaks_are_kept() -> None:
    """An annotation edited by hand does not make an agent vanish, nor stay for ever."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(1))
        broken = metadata(2, uid="u1", annotations={})
        seen.pods.saw(msgspec.convert({"metadata": broken, "status": RUNNING}, Pod))
        known = seen.agents.find("a1")
        assert known is not None
        assert known.facts == facts()
        seen.pods._replace(Listing("3", {}))
        assert seen.agents.find("a1") is None
        assert not list(seen.agents.ids())


async def test_changes_wake_whoever_waits() -> None:
    """Of that agent only."""
    async with caches() as seen:
        with seen.agents.watched("a1") as changed, seen.agents.watched("a2") as other:
            seen.pods.saw(seen.pod(1))
            assert changed.is_set()
            assert not other.is_set()


async def test_a_container_that_starts_again_has_to_answer_again() -> None:
    """Ready is what has answered since its container started."""
    async with caches() as seen:
        seen.pods.saw(seen.pod(1))
        known = seen.agents.find("a1")
        assert known is not None
        assert known.life is not None
        seen.agents._answers._answered.add("a1")
        assert getattr(seen.agents.find("a1"), "ready", False)
        again = msgspec.structs.replace(seen.pod(2).status.container_statuses[0], container_id="c2")
        pod = seen.pod(2)
        status = msgspec.structs.replace(pod.status, container_statuses=(again,))
        seen.pods.saw(msgspec.structs.replace(pod, status=status))
        assert not getattr(seen.agents.find("a1"), "ready", True)
        tasks = [task.get_name() for task in asyncio.all_tasks()]
        assert len([name for name in tasks if re.fullmatch("health-a1", name)]) >= 1
