"""The launcher protocol over pods."""

import asyncio
import os
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gateway.errors import BadRequest, Conflict, NotFound, StartFailed
from gateway.keyring import Keyring
from gateway.launchers import given, words
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.agents import Agents, KnownAgent
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.deletion import Deletion
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.inheritance import Inheritance
from gateway.launchers.kubernetes.maker import Maker
from gateway.launchers.kubernetes.notebook import Notebook
from gateway.launchers.kubernetes.objects import CLAIMS, PODS, SERVICES, WARNINGS
from gateway.launchers.kubernetes.pod import PodMaker
from gateway.launchers.kubernetes.reflector import Reflector
from gateway.launchers.kubernetes.sweep import Sweep
from gateway.launchers.kubernetes.targets import Targets
from gateway.launchers.kubernetes.template import PodTemplate
from gateway.launchers.kubernetes.undoing import Undoing
from gateway.launchers.kubernetes.view import shown
from gateway.launchers.kubernetes.waiting import Waiting
from gateway.launchers.kubernetes.warnings import Warnings
from gateway.launchers.notes import Notes
from gateway.model import Agent, AgentSpec
from gateway.settings import Settings

_FIRST_LIST_S = 15.0
_SETTLE_S = 1.0
"""A gateway that has just started calls an agent ready that is; one that hangs it leaves."""
_LOOK_UP_S = 2.0
"""Of the one look-up when the cache has no such agent."""


class KubernetesLauncher:
    """Agents as pods. `env` is the gateway's environment, of which agents get a small part."""

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        *,
        env: Mapping[str, str] = os.environ,
        sweep_every_s: float = 10.0,
    ) -> None:
        """Raises SettingsError where the template of pods cannot be used."""
        self._keyring = keyring
        self._nudge_port = settings.nudge_port
        self._api = ApiServer(settings)
        self._pods = Reflector(self._api, PODS, selector=names.SELECTOR)
        self._claims = Reflector(self._api, CLAIMS, selector=names.SELECTOR)
        self._services = (
            Reflector(self._api, SERVICES, selector=names.SELECTOR) if settings.node_host else None
        )
        targets = Targets(settings.node_host, self._services)
        self._events = Reflector(self._api, WARNINGS, selector="")
        warnings = Warnings(self._events)
        self._agents = Agents(self._pods, self._claims, targets, warnings)
        pod = PodMaker(settings, keyring, PodTemplate.read(settings.template), gateway_env=env)
        self._maker = Maker(self._api, self._agents, pod, settings)
        self._notebook = Notebook(
            self._api, self._agents, start_deadline_s=float(settings.start_deadline)
        )
        self._undoing = Undoing(self._api, self._agents, volumes=bool(settings.volume))
        self._waiting = Waiting(self._agents)
        self._deletion = Deletion(
            self._api, self._agents, deliver_s=float(settings.webhook_retry_for)
        )
        inheritance = Inheritance(self._api, self._agents, self._notebook)
        self._sweep = Sweep(
            self._agents,
            self._maker,
            self._deletion,
            inheritance,
            self._undoing,
            self._api,
            targets,
            make_s=settings.create_timeout,
            every_s=sweep_every_s,
        )
        self._backends = given.Backends()

    @property
    def nudge_bind(self) -> str:
        return f"0.0.0.0:{self._nudge_port}"

    @property
    def notes(self) -> Notes:
        return self._notebook

    async def start(self) -> None:
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._sweep.close()
        await self._undoing.close()
        await self._agents.close()
        for reflector in (self._events, self._claims, self._pods, self._services):
            if reflector is not None:
                await reflector.close()
        await self._api.close()

    async def create(self, spec: AgentSpec, *, wait_s: float) -> Agent:
        given.check(spec, self._backends)
        if not names.is_label_value(spec.agent_id):
            raise BadRequest(
                "agent_id: up to 63 letters, digits, . _ - are taken, at both ends no sign"
            )
        if self._agents.find(spec.agent_id) is not None:
            raise Conflict(f"an agent {spec.agent_id} exists")
        facts = self._facts(spec)
        ends_s = asyncio.get_running_loop().time() + wait_s
        try:
            await self._maker.make(facts, spec.env, patience_s=wait_s)
            if wait_s <= 0:
                return shown(self._known(spec.agent_id))
            return shown(await self._waiting.until_ready(facts, ends_s=ends_s))
        except BaseException as error:
            await self._undoing.undo(facts)
            if isinstance(error, StartFailed):
                raise StartFailed(words.blanked(str(error), spec.env.values())) from error
            raise

    async def get(self, agent_id: str) -> Agent:
        known = await self._look(agent_id)
        if known.deleted_ms is not None:
            raise _unknown(agent_id)
        return shown(known)

    async def list(self, user_id: str | None = None) -> Sequence[Agent]:
        found = [
            known
            for known in self._agents.all()
            if known.deleted_ms is None and user_id in (None, known.facts.user_id)
        ]
        found.sort(key=lambda known: (known.facts.created_at, known.facts.agent_id))
        return [shown(known) for known in found]

    async def reach(self, agent_id: str, *, timeout_s: float) -> str:
        known = await self._look(agent_id)
        if known.answers and known.life is not None:
            return known.life.target
        return await self._waiting.until_it_answers(agent_id, timeout_s=timeout_s)

    async def delete(self, agent_id: str) -> None:
        known = await self._look(agent_id)
        await self._deletion.mark(known)

    async def retired(self, agent_id: str) -> None:
        known = self._agents.find(agent_id)
        if known is not None and known.deleted_ms is not None:
            await self._deletion.finish(known)

    async def _start(self) -> None:
        self._backends = await asyncio.to_thread(given.Backends.installed)
        await self._api.open()
        for reflector in (self._services, self._pods, self._claims, self._events):
            if reflector is not None:
                await reflector.start(within_s=_FIRST_LIST_S)
        await self._maker.check(self._sample())
        await self._agents.settle(within_s=_SETTLE_S)
        self._sweep.start()

    async def _look(self, agent_id: str) -> KnownAgent:
        """From the cache, else what the API server says now. Raises NotFound, Unavailable."""
        known = self._agents.find(agent_id)
        if known is None:
            if not names.is_label_value(agent_id):
                raise _unknown(agent_id)
            await self._look_up(agent_id)
            known = self._known(agent_id)
        return known

    async def _look_up(self, agent_id: str) -> None:
        """Another gateway may have made it, and the watch not told yet."""
        selector = f"{names.SELECTOR},{names.AGENT_ID}={agent_id}"
        claims, pods = await asyncio.gather(
            self._api.list(CLAIMS, selector=selector, deadline_s=_LOOK_UP_S),
            self._api.list(PODS, selector=selector, deadline_s=_LOOK_UP_S),
        )
        for claim in claims.objects.values():
            self._claims.saw(claim)
        for pod in pods.objects.values():
            self._pods.saw(pod)

    def _known(self, agent_id: str) -> KnownAgent:
        known = self._agents.find(agent_id)
        if known is None:
            raise _unknown(agent_id)
        return known

    def _facts(self, spec: AgentSpec) -> AgentFacts:
        created_at = datetime.now(UTC)
        return AgentFacts.of(spec, key_id=self._keyring.current_id, created_at=created_at)

    def _sample(self) -> AgentFacts:
        """Of an agent that is never made."""
        backend = min(self._backends.names, default="command")
        spec = AgentSpec(agent_id=f"check-{secrets.token_hex(4)}", user_id="forge", backend=backend)
        return self._facts(spec)


def _unknown(agent_id: str) -> NotFound:
    return NotFound(f"there is no agent {agent_id[:128]}")
