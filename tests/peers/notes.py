"""Notes in memory: pods that several gateways write on at once, as one cluster has them.

`tests/gateway/launchers/notes_contract.py` holds what both this peer and the real notebook do.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import Exhausted, NotFound, Unavailable
from gateway.launchers.kubernetes.note import (
    MAX_BYTES,
    MAX_WAITING_BYTES,
    key,
    waiting_bytes,
    written,
)
from gateway.launchers.notes import Decide, Edit, Note, PodNotes
from tests.peers.noticed import Noticed

TRIES = 5


@dataclass
class _Pod:
    at: PodNotes
    version: int = 0


@dataclass
class Cluster:
    """The pods themselves.

    `down`: the API server does not answer. `deaf`: it does what it is told, and that is not heard.
    `asked` counts edits, `patches` changes.
    `between`: called before each change is written, to let others in; `held`: waited for then.
    """

    pods: dict[str, _Pod] = field(default_factory=dict)
    down: bool = False
    deaf: bool = False
    patches: int = 0
    asked: int = 0
    between: Callable[[], None] = lambda: None
    held: asyncio.Event | None = None
    views: "list[ScriptedNotes]" = field(default_factory=list)
    history: list[PodNotes] = field(default_factory=list)
    noticed: Noticed = field(default_factory=Noticed)

    def view(self) -> "ScriptedNotes":
        """What one gateway sees of it."""
        view = ScriptedNotes(self)
        self.views.append(view)
        return view

    def change(self, agent_id: str, **facts: Any) -> None:
        """The pod's life goes on: its fate, whether it answers."""
        self.set(replace(self.pods[agent_id].at, **facts))

    def now(self, agent_id: str) -> PodNotes:
        return self.pods[agent_id].at

    def notes(self, agent_id: str) -> dict[str, Note]:
        """{} too where the pod is gone."""
        pod = self.pods.get(agent_id)
        return dict(pod.at.notes) if pod else {}

    def remove(self, agent_id: str) -> None:
        """The object vanishes; one with notes does not, whoever asks for it."""
        assert not self.pods[agent_id].at.notes, "its finalizer holds it"
        del self.pods[agent_id]
        self._tell(agent_id)

    def set(self, pod: PodNotes) -> None:
        known = self.pods.get(pod.agent_id)
        self.pods[pod.agent_id] = _Pod(pod, known.version + 1 if known else 1)
        self.history.append(pod)
        self._tell(pod.agent_id)

    def _tell(self, agent_id: str) -> None:
        for view in self.views:
            view.see(agent_id)
        self.noticed.tell()


class ScriptedNotes:
    """One gateway's Notes. `lags`: its cache hears of nothing until `catch_up`."""

    def __init__(self, cluster: Cluster) -> None:
        self.lags = False
        self.looks = 0
        self._cluster = cluster
        self._cache: dict[str, _Pod] = dict(cluster.pods)
        self._changed: Callable[[str], None] = lambda _: None

    def see(self, agent_id: str) -> None:
        if self.lags:
            return
        pod = self._cluster.pods.get(agent_id)
        if pod is None:
            self._cache.pop(agent_id, None)
        else:
            self._cache[agent_id] = pod
        self._changed(agent_id)

    def catch_up(self) -> None:
        self.lags = False
        for agent_id in {*self._cache, *self._cluster.pods}:
            self.see(agent_id)

    def of(self, agent_id: str) -> PodNotes | None:
        self.looks += 1
        pod = self._cache.get(agent_id)
        return pod.at if pod else None

    def noted(self) -> Sequence[str]:
        return [name for name, pod in self._cache.items() if pod.at.notes or not pod.at.drained]

    def watch(self, changed: Callable[[str], None]) -> None:
        self._changed = changed

    async def edit(self, agent_id: str, decide: Decide) -> PodNotes:
        self._cluster.asked += 1
        self._cluster.noticed.tell()
        pod = self._cache.get(agent_id)
        for _ in range(TRIES):
            await asyncio.sleep(0)
            pod = pod or self._live(agent_id)
            edit = decide(pod.at)
            if edit is None:
                return pod.at
            after = _applied(pod.at, edit)
            self._cluster.between()
            if self._cluster.held is not None:
                await self._cluster.held.wait()
            if self._cluster.down:
                raise Unavailable("the API server does not answer")
            live = self._live(agent_id)
            if live.version == pod.version:
                self._cluster.patches += 1
                self._cluster.set(after)
                await asyncio.sleep(0)
                if self._cluster.deaf:
                    raise Unavailable("the API server's answer did not come")
                return after
            pod = None
        raise Unavailable(f"the notes of agent {agent_id} change too fast")

    def _live(self, agent_id: str) -> _Pod:
        if self._cluster.down:
            raise Unavailable("the API server does not answer")
        if agent_id not in self._cluster.pods:
            raise NotFound(f"agent {agent_id} has no pod")
        return self._cluster.pods[agent_id]


def _applied(pod: PodNotes, edit: Edit) -> PodNotes:
    notes = {name: note for name, note in pod.notes.items() if name not in edit.drop}
    notes |= {note.request_id: note for note in edit.put}
    grows = any(note.kind == "waiting" and note.request_id not in pod.notes for note in edit.put)
    if grows and waiting_bytes(notes.values()) > MAX_WAITING_BYTES:
        raise Exhausted("there is no room for more messages")
    taken = sum(len(key(name)) + len(written(note).encode()) for name, note in notes.items())
    if edit.put and taken > MAX_BYTES:
        raise Exhausted("the pod has no room for more notes")
    if notes and not pod.notes and pod.fate == "ending":
        raise Unavailable(f"the pod of agent {pod.agent_id} is being deleted")
    return replace(pod, notes=notes, drained=pod.drained or edit.drained)
