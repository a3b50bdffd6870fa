"""The notebook: notes as annotations of pods, changed by one conditional patch at a time."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gateway.errors import Exhausted, NotFound, Unavailable
from gateway.launchers.kubernetes import names, note
from gateway.launchers.kubernetes.agents import Agents, KnownAgent
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.conditions import Trouble, trouble
from gateway.launchers.kubernetes.errors import Stale
from gateway.launchers.kubernetes.facts import AgentFacts, is_going
from gateway.launchers.kubernetes.fate import fate, is_drained
from gateway.launchers.kubernetes.objects import PODS, Metadata, Pod, Warned
from gateway.launchers.notes import Decide, Edit, Note, PodNotes

EDIT_S = 10.0
"""Deadline of one edit, however often it has to be decided."""
TRIES = 20
_PAUSE_S = 0.02
"""The window of the random wait before deciding again; it grows with the tries."""


_Version = tuple[str, bool, bool, Warned | None]
"""The pod's, and what is not told by the pod itself."""


class Notebook:
    """`Notes` over the cache of all agents and the API server; event loop only.

    Decided first on what is in the cache: where that is behind, the API server refuses the
    change, and it is decided again on what it says. So a change costs one call as a rule.
    """

    def __init__(self, api: ApiServer, agents: Agents, *, start_deadline_s: float) -> None:
        self._api = api
        self._agents = agents
        self._start_deadline_s = start_deadline_s
        self._states: dict[str, tuple[_Version, PodNotes]] = {}
        self._noted: set[str] = set()
        self._silent_since: dict[str, datetime] = {}
        self._tell: Callable[[str], None] = lambda _: None
        agents.listen(self._changed)

    def of(self, agent_id: str) -> PodNotes | None:
        known = self._agents.find(agent_id)
        return self._state(known.pod, known) if known and known.pod else None

    def noted(self) -> Sequence[str]:
        return list(self._noted)

    def watch(self, changed: Callable[[str], None]) -> None:
        self._tell = changed

    async def edit(self, agent_id: str, decide: Decide) -> PodNotes:
        try:
            async with asyncio.timeout(EDIT_S):
                return await self._edit(agent_id, decide)
        except TimeoutError as error:
            raise Unavailable(
                f"the notes of agent {agent_id} could not be changed within {EDIT_S:g} s"
            ) from error

    async def _edit(self, agent_id: str, decide: Decide) -> PodNotes:
        known = self._agents.find(agent_id)
        pod = known.pod if known else None
        for tried in range(TRIES):
            pod = pod or await self._live(agent_id)
            state = self._state(pod, self._agents.find(agent_id))
            edit = decide(state)
            if edit is None:
                return state
            changed = await self._patch(pod, patch(pod.metadata, edit))
            if changed is not None:
                self._agents.saw_pod(changed)
                return self._state(changed, self._agents.find(agent_id))
            pod = None
            await asyncio.sleep(random.uniform(0, _PAUSE_S * tried))  # noqa: S311 - spreads load
        raise Unavailable(f"the notes of agent {agent_id} are changed by others all the time")

    async def _patch(self, pod: Pod, body: Mapping[str, object]) -> Pod | None:
        """None: it is not any more what the change was decided on."""
        try:
            return await self._api.patch(PODS, pod.metadata.name, body)
        except (Stale, NotFound):
            return None

    async def _live(self, agent_id: str) -> Pod:
        """As the API server has it now. Raises NotFound."""
        pod = await self._found(agent_id)
        if pod is None or AgentFacts.read(pod.metadata) is None:
            raise NotFound(f"agent {agent_id} has no pod")
        self._agents.saw_pod(pod)
        return pod

    async def _found(self, agent_id: str) -> Pod | None:
        """By its name where that is known, which costs the API server far less than a search."""
        known = self._agents.find(agent_id)
        if known is not None:
            name = known.pod.metadata.name if known.pod else known.facts.name
            with contextlib.suppress(NotFound):
                return await self._api.get(PODS, name)
            return None
        selector = f"{names.SELECTOR},{names.AGENT_ID}={agent_id}"
        found = await self._api.list(PODS, selector=selector)
        return next(iter(found.objects.values()), None)

    def _state(self, pod: Pod, known: KnownAgent | None) -> PodNotes:
        """Made once a version of the pod, but for what time alone changes."""
        metadata = pod.metadata
        answers = known is not None and known.answers
        claim = known.claim if known else None
        keeps_journal = claim is not None and not is_going(claim.metadata)
        warned = known.warned if known else None
        version = (metadata.resource_version, answers, keeps_journal, warned)
        facts = AgentFacts.read(metadata)
        assert facts is not None, "of agents' pods only"
        made = self._states.get(facts.agent_id)
        if made is None or made[0] != version:
            why = trouble(pod, warned)
            state = _state(pod, facts, why, answers=answers, keeps_journal=keeps_journal)
            made = self._states[facts.agent_id] = (version, state)
        now = datetime.now(UTC)
        told = fate(
            pod,
            answers=answers,
            silent_since=self._silent_since.get(facts.agent_id, now),
            start_deadline_s=self._start_deadline_s,
            now=now,
        )
        return made[1] if told == "living" else replace(made[1], fate=told)

    def _changed(self, agent_id: str) -> None:
        state = self.of(agent_id)
        if state is None:
            self._states.pop(agent_id, None)
        if state is None or state.answers:
            self._silent_since.pop(agent_id, None)
        else:
            self._silent_since.setdefault(agent_id, datetime.now(UTC))
        if state is not None and (state.notes or not state.drained):
            self._noted.add(agent_id)
        else:
            self._noted.discard(agent_id)
        self._tell(agent_id)


def _state(
    pod: Pod, facts: AgentFacts, why: Trouble | None, *, answers: bool, keeps_journal: bool
) -> PodNotes:
    """While it lives."""
    created_at = pod.metadata.creation_timestamp
    assert created_at is not None, "the API server gives every object one"
    return PodNotes(
        agent_id=facts.agent_id,
        pod_uid=pod.metadata.uid,
        key_id=facts.key_id,
        created_ms=round(created_at.timestamp() * 1000),
        drained=is_drained(pod),
        answers=answers,
        keeps_journal=keeps_journal,
        fate="living",
        reason=why.reason if why else "",
        message=why.message if why else "",
        notes=note.read(pod.metadata.annotations),
    )


def patch(pod: Metadata, edit: Edit) -> dict[str, object]:
    """The merge patch that makes this change of exactly that version of a pod.

    Raises:
        Exhausted: there is no room for it.
        Unavailable: the pod is being deleted, and takes no finalizer any more.
    """
    changes: dict[str, str | None] = {note.key(name): None for name in edit.drop}
    changes |= {note.key(one.request_id): note.written(one) for one in edit.put}
    if edit.drained:
        changes[names.DRAINED] = pod.uid
    merged = {**pod.annotations, **changes}
    after = {name: text for name, text in merged.items() if text is not None}
    notes = note.read(after)
    if any(_waits_anew(one, pod) for one in edit.put):
        _check_waiting(notes.values())
    _check_room(pod.annotations, after)
    return {
        "metadata": {
            "resourceVersion": pod.resource_version,
            "annotations": changes,
            "finalizers": _finalizers(pod, held=bool(notes)),
        }
    }


def _finalizers(pod: Metadata, *, held: bool) -> list[str]:
    """All of them: a merge patch replaces the list."""
    others = [name for name in pod.finalizers if name != names.FINALIZER]
    if not held:
        return others
    if pod.deletion_timestamp is not None and names.FINALIZER not in pod.finalizers:
        raise Unavailable(f"pod {pod.name} is being deleted, and nothing can keep it")
    return [*others, names.FINALIZER]


def _waits_anew(one: Note, pod: Metadata) -> bool:
    return one.kind == "waiting" and note.key(one.request_id) not in pod.annotations


def _check_waiting(notes: Iterable[Note]) -> None:
    """Claims on what waits already may take more than that."""
    if note.waiting_bytes(notes) > note.MAX_WAITING_BYTES:
        raise Exhausted("no more messages may wait on the pod")


def _check_room(before: Mapping[str, str], after: Mapping[str, str]) -> None:
    taken = note.room_taken(after)
    if taken > note.MAX_BYTES and taken > note.room_taken(before):
        raise Exhausted("the pod has no room for more notes")
