"""What waits on the pod of an agent with a volume outlives that pod: the next one inherits it.

In between it is on the volume's claim. Any gateway does any step; one that is done twice
only makes a message be submitted twice, and the journal on the volume knows that.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.errors import NotFound
from gateway.launchers.kubernetes import names, note
from gateway.launchers.kubernetes.agents import Agents
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.fate import is_lost
from gateway.launchers.kubernetes.notebook import Notebook
from gateway.launchers.kubernetes.objects import CLAIMS, PODS, Metadata, Pod, VolumeClaim
from gateway.launchers.notes import Edit, Note, PodNotes


class Inheritance:
    """Of waiting notes; a lost pod of such an agent carries others only if they are ended."""

    def __init__(self, api: ApiServer, agents: Agents, notebook: Notebook) -> None:
        self._api = api
        self._agents = agents
        self._notebook = notebook

    async def leave(self, agent_id: str, claim: VolumeClaim) -> None:
        """What waits on a lost pod goes to its claim, then from the pod: that may vanish.

        Raises:
            GatewayError: not now; nothing is forgotten. Stale: the claim has changed since.
        """
        pod = self._notebook.of(agent_id)
        waiting = _waiting(pod) if pod else {}
        if not waiting:
            return
        left = {note.key(name): note.written(_unclaimed(one)) for name, one in waiting.items()}
        self._agents.saw_claim(await self._change(claim.metadata, left))

        def decide(now: PodNotes) -> Edit | None:
            gone = [name for name, one in _waiting(now).items() if waiting.get(name) == one]
            return Edit(drop=gone) if gone else None

        with contextlib.suppress(NotFound):
            await self._notebook.edit(agent_id, decide)

    async def taken(self, pod: Pod, claim: VolumeClaim) -> None:
        """A pod that lives was made with it: the claim need not carry it any more.

        Raises:
            GatewayError: not now. Stale: the claim has changed since.
        """
        inherited = _inherited(claim.metadata)
        if not inherited:
            return
        # Caches tell of pods and claims at different times. A pod that is not lost now, when
        # the claim has long been seen, has left nothing on it.
        now = await self._api.get(PODS, pod.metadata.name)
        if not is_lost(now):
            self._agents.saw_claim(await self._change(claim.metadata, dict.fromkeys(inherited)))

    async def _change(self, claim: Metadata, annotations: Mapping[str, str | None]) -> VolumeClaim:
        """Only if it is still what was seen."""
        body = {"resourceVersion": claim.resource_version, "annotations": annotations}
        return await self._api.patch(CLAIMS, claim.name, {"metadata": body})


def give(claim: VolumeClaim, pod: dict[str, Any]) -> None:
    """Put what is on the claim onto the pod that is going to be made for it."""
    inherited = _inherited(claim.metadata)
    if inherited:
        pod["metadata"]["annotations"] |= inherited
        pod["metadata"]["finalizers"] = [names.FINALIZER]


def _inherited(claim: Metadata) -> dict[str, str]:
    return {name: text for name, text in claim.annotations.items() if name.startswith(names.NOTE)}


def _waiting(pod: PodNotes) -> dict[str, Note]:
    notes = pod.notes.items() if pod.fate == "lost" and pod.keeps_journal else ()
    return {name: one for name, one in notes if one.kind == "waiting" and not one.doomed}


def _unclaimed(one: Note) -> Note:
    """Whoever submitted it did so to a pod that is gone."""
    return replace(one, claim=None)
