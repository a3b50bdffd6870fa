"""Composition: what a runtime is made of, and the order in which it starts and stops."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend, BackendContext
from agent_runtime.backends.registry import load
from agent_runtime.errands import Errands
from agent_runtime.errors import SettingsError
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.ticket_budget import VOLATILE_MAX_BYTES, TicketBudget
from agent_runtime.memory import MemoryGroup
from agent_runtime.processes import Processes
from agent_runtime.server import terms
from agent_runtime.server.agent_service import AgentService
from agent_runtime.server.folders import lived_in
from agent_runtime.server.groups import JournalledGroups
from agent_runtime.server.life import Life
from agent_runtime.server.nudger import Nudger
from agent_runtime.server.relay_service import RelayService
from agent_runtime.server.relay_slot import RelaySlot
from agent_runtime.server.signals import Signals
from agent_runtime.server.status import Status
from agent_runtime.server.surroundings import Surroundings
from agent_runtime.server.tokens import TokenInterceptor
from agent_runtime.server.usage import Usage
from agent_runtime.settings import Settings
from agent_runtime.turns.diffs import Diffs
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.recall import Recall
from agent_runtime.turns.runner import Runner
from agent_runtime.turns.snapshots import Snapshots
from agent_runtime.workspace.git import Git
from agent_runtime.workspace.repository import Repository
from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 32 * 1024 * 1024
"""Of one gRPC message: a body of the gateway's limit, or one event of 4 MiB, with room."""

CLEAN = "clean"

_STOP_S = 1.0
_END_S = 30.0
"""Over the grace: what an interrupt, the end of processes and a commit may take at most."""

_MAX_CALLS = 512


async def serve(settings: Settings, env: Mapping[str, str]) -> None:
    """Run an agent until it ends.

    Raises:
        FolderBusy: another runtime lives in the folder.
        SettingsError, JournalBroken, BackendUnusable: it cannot start; says why.
    """
    async with lived_in(settings):
        (settings.state_dir / CLEAN).unlink(missing_ok=True)
        async with Journal(settings.state_dir, tickets=_ticket_budget(settings)) as journal:
            await _Runtime(settings, env, journal).live()
            clean = not journal.outstanding.has_unsettled()
        if clean:
            (settings.state_dir / CLEAN).touch()


class _Runtime:
    """Everything that lives between the journal's opening and its closing."""

    def __init__(self, settings: Settings, env: Mapping[str, str], journal: Journal) -> None:
        self._settings = settings
        self._journal = journal
        self._drained = Drained(journal, settings.pod_uid)
        self._snapshots = _snapshots(settings, env, journal, errands := Errands())
        backend = _backend(settings, env, journal, errands)
        self._runner = Runner(
            journal=journal,
            drained=self._drained,
            backend=backend,
            mode=PermissionMode.parse(terms.permission_mode(settings, journal)),
            policy=terms.policy(settings, journal),
            snapshots=self._snapshots,
            turn_limit_s=settings.turn_limit_s,
            grace_s=settings.grace_s,
        )
        self._recall = Recall(journal, backend, self._runner.wakeup.wish)
        self._slot = RelaySlot()
        self._usage = Usage()
        self._life = Life(
            journal=journal,
            runner=self._runner,
            usage=self._usage,
            idle_exit_s=settings.idle_exit_s,
        )
        self._nudger = Nudger(
            agent_id=settings.agent_id, where=settings.nudge, journal=journal, slot=self._slot
        )
        self._surroundings = Surroundings(
            folder=settings.state_dir,
            socket=_socket_of(settings.address),
            life=self._life,
            runner=self._runner,
        )
        self._signals = Signals(
            life=self._life,
            runner=self._runner,
            in_pod=settings.in_pod,
            volatile=settings.volatile,
        )
        self._health = health.aio.HealthServicer()
        self._server = self._build_server()

    async def live(self) -> None:
        """Start, serve until the end is wished for, stop in reverse order."""
        await JournalledGroups(self._journal).end_leftovers()
        await self._runner.recover()
        await self._snapshots.begin()
        try:
            await self._serve()
        finally:  # a server that is left, whatever has died, keeps its socket and the process
            self._slot.close()
            await self._stop_server()

    async def _serve(self) -> None:
        """Until the end is wished for; the end of any task is the end of all."""
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self._runner.run(), name="runner")
            beside = [
                tasks.create_task(self._nudger.run(), name="nudger"),
                tasks.create_task(self._life.end_when_idle(), name="idle"),
                tasks.create_task(self._life.end_when_delivered(), name="retired"),
                tasks.create_task(self._life.trim(), name="trim"),
                tasks.create_task(self._snapshots.run(), name="snapshots"),
                tasks.create_task(self._signals.obey(), name="signals"),
            ]
            self._signals.own()
            if self._surroundings.deleted:
                await self._life.retire(graceful=False)
            await self._server.start()
            beside.append(tasks.create_task(self._surroundings.watch(), name="surroundings"))
            log.info("agent_ready", extra={"address": self._settings.address})
            await self._life.wait()
            await self._health.enter_graceful_shutdown()
            await self._end_turns(running)
            for task in beside:
                task.cancel()

    async def _end_turns(self, running: "asyncio.Task[None]") -> None:
        """Bounded: a journal that cannot be written must not keep the process."""
        try:
            async with asyncio.timeout(self._settings.grace_s + _END_S):
                await self._runner.drain()
                await running
        except TimeoutError:
            log.error("turns_not_ended")  # noqa: TRY400 - its cause has been logged
            running.cancel()

    async def _stop_server(self) -> None:
        """Bounded: a peer that does not read holds up even the end of its call."""
        try:
            async with asyncio.timeout(2 * _STOP_S):
                await self._server.stop(_STOP_S)
        except TimeoutError:
            log.warning("calls_not_ended")

    def _build_server(self) -> grpc.aio.Server:
        server = grpc.aio.server(
            interceptors=[
                TokenInterceptor(
                    client_sha256=self._settings.client_token_sha256,
                    relay_sha256=self._settings.relay_token_sha256,
                )
            ],
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=_MAX_CALLS,
        )
        self._add_services(server)
        if socket := _socket_of(self._settings.address):
            socket.unlink(missing_ok=True)  # a dead runtime left it
        try:
            server.add_insecure_port(self._settings.address)
        except RuntimeError as error:
            raise SettingsError(
                f"FORGE_LISTEN: cannot listen on {self._settings.address}"
            ) from error
        return server

    def _add_services(self, server: grpc.aio.Server) -> None:
        status = Status(settings=self._settings, journal=self._journal, runner=self._runner)
        agent = AgentService(
            journal=self._journal,
            runner=self._runner,
            status=status,
            diffs=Diffs(self._journal, self._snapshots),
            recall=self._recall,
            usage=self._usage,
            shutdown=self._end,
        )
        relay = RelayService(
            agent_id=self._settings.agent_id,
            journal=self._journal,
            drained=self._drained,
            runner=self._runner,
            slot=self._slot,
            usage=self._usage,
            retire=lambda graceful: self._life.retire(graceful=graceful),
        )
        agent_pb2_grpc.add_AgentServiceServicer_to_server(agent, server)
        relay_pb2_grpc.add_RelayServiceServicer_to_server(relay, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [
            agent_pb2.DESCRIPTOR.services_by_name["AgentService"].full_name,
            relay_pb2.DESCRIPTOR.services_by_name["RelayService"].full_name,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            reflection.SERVICE_NAME,
        ]
        reflection.enable_server_reflection(names, server)

    def _end(self, graceful: bool) -> None:
        if not graceful:
            self._runner.hurry()
        self._life.end()


def _snapshots(
    settings: Settings, env: Mapping[str, str], journal: Journal, errands: Errands
) -> Snapshots:
    folder = settings.state_dir / "snapshots"
    repository = Repository(Git(errands, folder=folder, workspace=settings.workspace, env=env))
    return Snapshots(journal.snapshots, repository)


def _backend(
    settings: Settings, env: Mapping[str, str], journal: Journal, errands: Errands
) -> Backend:
    home = settings.state_dir / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    prefix = f"FORGE_{settings.backend.upper()}"
    context = BackendContext(
        workspace=settings.workspace,
        home=home,
        env=settings.cli_env(env) | ({"HOME": str(home)} if settings.in_pod else {}),
        options={name: value for name, value in env.items() if name.startswith(prefix)},
        model=terms.model(settings, journal),
        permission_mode=terms.permission_mode(settings, journal),
        session_id=journal.fact(f"session:{settings.backend}"),
        processes=Processes(JournalledGroups(journal).record, MemoryGroup.own(), errands),
    )
    return load(settings.backend).create(context)


def _ticket_budget(settings: Settings) -> TicketBudget:
    """Where a journal goes with its pod, notes stand in for it."""
    bounded = settings.in_pod and settings.volatile
    return TicketBudget(VOLATILE_MAX_BYTES if bounded else None)


def _socket_of(address: str) -> Path | None:
    """The socket's file, None for a TCP address."""
    return Path(address.removeprefix("unix:")) if address.startswith("unix:") else None
