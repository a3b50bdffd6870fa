"""The real notebook, over a real API server and a pod that runs."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.agents import Agents
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.notebook import Notebook
from gateway.launchers.kubernetes.objects import CLAIMS, PODS, WARNINGS, Pod
from gateway.launchers.kubernetes.reflector import Reflector
from gateway.launchers.kubernetes.targets import Targets
from gateway.launchers.kubernetes.warnings import Warnings
from gateway.launchers.notes import Edit, PodNotes
from gateway.settings import Settings
from tests.cluster.kubectl import Kubectl
from tests.cluster.namespace import namespace
from tests.gateway.launchers.notes_contract import AGENT, NotesContract, drop, note, put

_SEEN_S = 30.0
_GRACE_S = 3


class NotebookWorld:
    """A pod, and two gateways' caches and notebooks."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.kubectl = Kubectl(where)
        self.changed = asyncio.Event()
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        self.api, self.one = await self._gateway()
        _, self.other = await self._gateway()
        await self.api.create(PODS, _pod())
        await self.runs()

    async def close(self) -> None:
        """Pods that notes hold are freed as docs/operations.md says."""
        await self._stack.aclose()
        await asyncio.to_thread(self._remove_pods)

    async def runs(self) -> None:
        await self.seen(self.one, lambda pod: pod is not None and pod.reason == "")

    async def delete(self) -> None:
        await self.api.delete(PODS, AGENT)

    async def seen(self, notes: Any, holds: Callable[[PodNotes | None], bool]) -> None:
        async with asyncio.timeout(_SEEN_S):
            while not holds(notes.of(AGENT)):
                self.changed.clear()
                with contextlib.suppress(TimeoutError):  # a grace period ends untold
                    async with asyncio.timeout(0.2):
                        await self.changed.wait()

    def _remove_pods(self) -> None:
        freed = '{"metadata": {"finalizers": null}}'
        for name in self.kubectl("get", "pods", "--output", "name").split():
            self.kubectl("patch", name, "--type", "merge", "--patch", freed)
        self.kubectl("delete", "pods", "--all", "--force")

    async def live(self) -> Pod:
        return await self.api.get(PODS, AGENT)

    async def _gateway(self) -> tuple[ApiServer, Notebook]:
        settings = Settings.from_env(
            {"KUBE_CONFIG_PATH": os.environ["FORGE_TEST_KUBECONFIG"], "AGENT_NAMESPACE": self.where}
        )
        api = ApiServer(settings)
        await api.open()
        self._stack.push_async_callback(api.close)
        pods = Reflector(api, PODS, selector=names.SELECTOR)
        claims = Reflector(api, CLAIMS, selector=names.SELECTOR)
        agents = Agents(pods, claims, Targets(), Warnings(Reflector(api, WARNINGS, selector="")))
        agents.listen(lambda _: self.changed.set())
        notebook = Notebook(api, agents, start_deadline_s=600.0)
        for reflector in (pods, claims):
            await reflector.start(within_s=15.0)
            self._stack.push_async_callback(reflector.close)
        self._stack.push_async_callback(agents.close)
        return api, notebook


@pytest.fixture(scope="module")
def where() -> Iterator[str]:
    with namespace("notebook") as name:
        yield name


@pytest.fixture
async def world(where: str) -> AsyncIterator[NotebookWorld]:
    world = NotebookWorld(where)
    try:
        await world.open()
        yield world
    finally:
        await world.close()


class TestNotebook(NotesContract):
    """On pods."""


async def test_the_finalizer_is_there_exactly_while_notes_are(world: NotebookWorld) -> None:
    """Idle pods carry neither; another finalizer is left alone."""
    others = {"metadata": {"finalizers": ["example.com/other"]}}
    await world.api.patch(PODS, AGENT, others)
    assert (await world.live()).metadata.finalizers == ("example.com/other",)
    await world.one.edit(AGENT, put(note("a"), note("b")))
    assert set((await world.live()).metadata.finalizers) == {"example.com/other", names.FINALIZER}
    await world.one.edit(AGENT, drop("a"))
    assert names.FINALIZER in (await world.live()).metadata.finalizers
    await world.one.edit(AGENT, lambda _: Edit(drop=["b"], drained=True))
    pod = await world.live()
    assert pod.metadata.finalizers == ("example.com/other",)
    assert pod.metadata.annotations[names.DRAINED] == pod.metadata.uid
    assert not [name for name in pod.metadata.annotations if name.startswith(names.NOTE)]


async def test_a_drained_mark_of_another_pod_says_nothing(world: NotebookWorld) -> None:
    """Copied with its annotations to a pod of another UID."""
    await world.api.patch(PODS, AGENT, {"metadata": {"annotations": {names.DRAINED: "uid-0"}}})
    await world.seen(world.one, lambda pod: pod is not None)
    assert not (await world.one.edit(AGENT, put())).drained


async def test_a_forced_deletion_leaves_a_noted_pod_to_be_read(world: NotebookWorld) -> None:
    """`kubectl delete pod --force`: lost at once, its notes still there."""
    await world.one.edit(AGENT, put(note("a")))
    await asyncio.to_thread(world.kubectl, "delete", "pod", AGENT, "--force", "--wait=false")
    await world.seen(world.other, lambda pod: pod is not None and pod.fate != "living")
    await world.seen(world.other, lambda pod: pod is not None and pod.fate == "lost")
    seen = world.other.of(AGENT)
    assert seen is not None
    assert seen.notes.keys() == {"a"}


def _pod() -> dict[str, Any]:
    """One of the agents' by its metadata; what runs in it does nothing, and ignores SIGTERM."""
    facts = AgentFacts(
        agent_id=AGENT,
        user_id="u1",
        backend="command",
        model="",
        permission_mode="acceptEdits",
        policy="",
        key_id="k1",
        created_at=datetime.now(UTC),
        labels={},
        env=(),
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**facts.metadata(), "name": AGENT},
        "spec": {
            "terminationGracePeriodSeconds": _GRACE_S,
            "automountServiceAccountToken": False,
            "securityContext": {
                "runAsUser": 1001,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": names.CONTAINER,
                    "image": "localhost/pause:1",
                    "imagePullPolicy": "Never",
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }
