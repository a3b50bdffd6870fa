"""The launcher protocol over agents' folders and processes."""

import asyncio
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from gateway.errors import BadRequest, GatewayError, NotFound, StartFailed
from gateway.keyring import Keyring
from gateway.launchers import given
from gateway.launchers.local import sockets
from gateway.launchers.local.environment import AgentEnvironment
from gateway.launchers.local.facts import AgentFacts
from gateway.launchers.local.folder import AgentFolder, Sighting
from gateway.launchers.local.folders import AgentFolders, Survey, remove
from gateway.launchers.local.nudge import NudgeSocket
from gateway.launchers.local.runtimes import Runtimes
from gateway.launchers.local.sweep import Sweep
from gateway.launchers.podname import pod_name
from gateway.model import Agent, AgentSpec, Phase
from gateway.settings import Settings

_LOG = logging.getLogger(__name__)

_CHECK_S = 0.5
"""How long a look at an agent waits for the health of a runtime not asked before."""
_CHECKS = 16
"""Of those in one listing, how many at a time."""


class LocalLauncher:
    """Agents as child processes. `env` is the gateway's environment, of which agents see a part."""

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        *,
        env: Mapping[str, str] = os.environ,
        sweep_every_s: float = 5.0,
    ) -> None:
        self._keyring = keyring
        self._sockets = sockets.sockets_folder(settings.runtime_dir, settings.state_dir)
        self._folders = AgentFolders(settings.state_dir.resolve() / "agents", self._sockets)
        environment = AgentEnvironment(settings, keyring, self._sockets, env)
        self._changed = asyncio.Event()
        self._runtimes = Runtimes(environment, on_end=self._changed.set)
        self._sweep = Sweep(
            self._survey,
            self._folders,
            self._runtimes,
            self._sockets,
            changed=self._changed,
            every_s=sweep_every_s,
        )
        self._seen: dict[str, Sighting] = {}
        self._unseen: Collection[str] = ()
        self._backends = given.Backends()
        self._nudge: NudgeSocket | None = None

    @property
    def nudge_bind(self) -> str:
        assert self._nudge is not None, "valid between start and close"
        return self._nudge.bind

    @property
    def notes(self) -> None:
        """None: the journal is in the agent's folder, whatever becomes of its process."""

    async def start(self) -> None:
        await asyncio.to_thread(self._folders.prepare)
        await asyncio.to_thread(sockets.prepare, self._sockets)
        self._backends = await asyncio.to_thread(given.Backends.installed)
        self._nudge = await asyncio.to_thread(NudgeSocket.reserve, self._sockets)
        self._sweep.start()

    async def close(self) -> None:
        await self._sweep.close()
        await self._runtimes.close()
        if self._nudge is not None:
            self._nudge.close()

    async def create(self, spec: AgentSpec, *, wait_s: float) -> Agent:
        folder = self._checked(spec)
        facts = AgentFacts.of(spec, key_id=self._keyring.current_id, created_at=datetime.now(UTC))
        await asyncio.to_thread(folder.make)
        if wait_s <= 0:
            await asyncio.to_thread(folder.file, facts)
            self._runtimes.begin(folder, facts)
            return _agent(facts, "Pending", reason="Starting")
        try:
            # Without facts it is nobody's agent yet: no other gateway starts or shows it.
            await self._runtimes.up(folder, facts, timeout_s=wait_s)
            await asyncio.to_thread(folder.file, facts)
        except BaseException as error:
            words = await asyncio.shield(self._undo(folder))
            if isinstance(error, GatewayError):
                raise StartFailed(_sentence(error, words)) from error
            raise
        return _agent(facts, "Running")

    async def get(self, agent_id: str) -> Agent:
        seen = await self._look(agent_id)
        if seen is None or seen.deleted:
            raise NotFound(f"there is no agent {agent_id}")
        return await self._shown(seen)

    async def list(self, user_id: str | None = None) -> Sequence[Agent]:
        survey = await self._survey()
        asked = [
            seen
            for seen in survey.sightings
            if not seen.deleted and user_id in (None, seen.facts.user_id)
        ]
        asked.sort(key=lambda seen: (seen.facts.created_at, seen.facts.agent_id))
        limit = asyncio.Semaphore(_CHECKS)

        async def shown(seen: Sighting) -> Agent:
            async with limit:
                return await self._shown(seen)

        return await asyncio.gather(*map(shown, asked))

    async def reach(self, agent_id: str, *, timeout_s: float) -> str:
        target = self._runtimes.serving_target(agent_id)
        if target is not None:
            return target
        seen = await self._look(agent_id)
        if seen is None or (seen.deleted and seen.clean and not seen.running):
            raise NotFound(f"there is no agent {agent_id}")
        await self._runtimes.up(seen.folder, seen.facts, timeout_s=timeout_s)
        return seen.folder.target

    async def delete(self, agent_id: str) -> None:
        seen = await self._look(agent_id)
        if seen is None or seen.deleted:
            raise NotFound(f"there is no agent {agent_id}")
        await asyncio.to_thread(seen.folder.bury)
        self._changed.set()

    async def retired(self, agent_id: str) -> None:
        """Its runtime ends by itself; the sweep then removes its folder."""

    def _checked(self, spec: AgentSpec) -> AgentFolder:
        """Where an agent of that kind will be made; raises BadRequest."""
        given.check(spec, self._backends)
        try:
            return self._folders.folder(spec.agent_id)
        except NotFound as error:
            raise BadRequest("agent_id: letters, digits, . _ - are taken, at most 128") from error

    async def _undo(self, folder: AgentFolder) -> str:
        """Leave nothing of an agent that could not be made; the last words of its log."""
        words = await self._runtimes.undo(folder.agent_id)
        trash = await asyncio.to_thread(folder.discard)
        if trash is not None:
            await asyncio.to_thread(remove, trash)
        return words

    async def _look(self, agent_id: str) -> Sighting | None:
        """Cheap enough for every message where the agent is known, else in a thread."""
        known = self._seen.get(agent_id)
        if known is not None:
            seen = known.folder.look(known.filed)
        else:
            seen = await asyncio.to_thread(self._folders.folder(agent_id).look, None)
        if seen is None:
            self._seen.pop(agent_id, None)
        else:
            self._seen[agent_id] = seen
        return seen

    async def _survey(self) -> Survey:
        known = dict(self._seen)
        survey = await asyncio.to_thread(self._folders.survey, known)
        self._seen = {name: known[name] for name in survey.unseen if name in known}
        self._seen |= {seen.facts.agent_id: seen for seen in survey.sightings}
        self._runtimes.keep(self._seen.keys() | survey.unseen.keys())
        for agent_id in survey.unseen.keys() - self._unseen:
            _LOG.warning(
                "agent_unseen", extra={"agent": agent_id, "reason": survey.unseen[agent_id]}
            )
        self._unseen = survey.unseen.keys()
        return survey

    async def _shown(self, seen: Sighting) -> Agent:
        agent_id = seen.facts.agent_id
        if seen.running:
            answered = self._runtimes.has_answered(agent_id)
            if answered or await self._runtimes.check(seen.folder, within_s=_CHECK_S):
                return _agent(seen.facts, "Running")
            return _agent(seen.facts, "Pending", reason="Starting")
        if seen.clean:
            return _agent(seen.facts, "Running")
        reason = "Starting" if self._runtimes.is_starting(agent_id) else "Restarting"
        message = self._runtimes.backoff.message(agent_id)
        return _agent(seen.facts, "Pending", reason=reason, message=message)


def _agent(facts: AgentFacts, phase: Phase, *, reason: str = "", message: str = "") -> Agent:
    return Agent(
        agent_id=facts.agent_id,
        user_id=facts.user_id,
        backend=facts.backend,
        pod_name=pod_name(facts.user_id, facts.agent_id),
        pod_ip="127.0.0.1",
        phase=phase,
        ready=phase == "Running",
        created_at=facts.created_at,
        key_id=facts.key_id,
        reason=reason,
        message=message,
    )


def _sentence(error: GatewayError, words: str) -> str:
    """Why it could not be made; the last words of its log once."""
    told = str(error)
    return told if not words or words in told else f"{told}: {words}"
