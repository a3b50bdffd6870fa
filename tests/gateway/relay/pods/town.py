"""Gateways with real relay rooms, one agent in a pod, and the notes that they all write."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.delivery.attempt import Poster
from gateway.delivery.download import Downloader
from gateway.delivery.guard import LOOPBACK, Guard
from gateway.delivery.policy import Policy
from gateway.delivery.ticket import seal
from gateway.keyring import GatewayKey, Keyring
from gateway.launchers.notes import Note, PodNotes
from gateway.model import Agent, Target
from gateway.relay.accept import Accept
from gateway.relay.attach import Attachments
from gateway.relay.files import Files
from gateway.relay.links import Links
from gateway.relay.pods.claims import Claims, unix_ms
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.pods import Pods
from gateway.relay.readback import ReadBack
from tests.gateway.relay.house import AGENT, POLICY, SECRET, TIMING
from tests.peers.agent import PeerRelay, ScriptedAgent
from tests.peers.launcher import ScriptedLauncher, agent
from tests.peers.notes import Cluster, ScriptedNotes
from tests.peers.receiver import Receiver

UID = "uid-1"
PACE = replace(
    TIMING,
    note_after_s=0.1,
    note_gather_s=0.05,
    unnoted_s=0.4,
    drain_s=1.0,
    look_s=0.05,
    reattach_s=0.2,
    reconcile_s=0.1,
    release_s=1.0,
    others_s=0.4,
)


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of several."""

    notes: ScriptedNotes
    launcher: ScriptedLauncher
    ledger: Ledger
    attachments: Attachments
    pods: Pods
    accept: Accept
    readback: ReadBack


@dataclass(frozen=True, slots=True)
class Town:
    """`cluster`: the pod of the one agent; `at`: it, as accept wants it."""

    agent: ScriptedAgent
    receiver: Receiver
    cluster: Cluster
    keyring: Keyring
    gateways: list[Gateway]
    at: Agent

    @property
    def gateway(self) -> Gateway:
        return self.gateways[0]

    def target(self, path: str = "/hook") -> Target:
        return Target(
            webhook_url=f"http://127.0.0.1:{self.receiver.port}{path}", webhook_secret=SECRET
        )

    def ticket(self, request_id: str, path: str = "/hook") -> bytes:
        target = self.target(path)
        return seal(self.keyring, agent_id=AGENT, request_id=request_id, target=target)

    def note(self, request_id: str, path: str = "/hook", **facts: Any) -> Note:
        """An open one."""
        sealed = self.ticket(request_id, path)
        note = Note(request_id=request_id, kind="open", sealed=sealed, arrived_ms=unix_ms())
        return replace(note, **facts)

    def noted(self, *notes: Note, **facts: Any) -> None:
        """So many open notes on the pod, and what else is to be so."""
        self.cluster.change(AGENT, notes={note.request_id: note for note in notes}, **facts)

    def another(self, holder: str, **timing: Any) -> AbstractAsyncContextManager[Gateway]:
        """One more gateway, while it is entered."""
        return _gateway(holder, self.cluster, self.keyring, self.agent, self.at, POLICY, timing)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Holds once the cluster is so."""
        await self.cluster.noticed.until(holds)

    async def relayed(self, number: int = 1, *, by: int = 0) -> PeerRelay:
        """The agent's relay, attached by one of the gateways."""
        self.gateways[by].attachments.ensure(AGENT)
        return await self.agent.relay(number)


def pod(keyring: Keyring, **facts: Any) -> PodNotes:
    """Up, drained, without notes."""
    plain = PodNotes(
        agent_id=AGENT,
        pod_uid=UID,
        key_id=keyring.current_id,
        created_ms=unix_ms(),
        drained=True,
        answers=True,
        keeps_journal=False,
        fate="living",
    )
    return replace(plain, **facts)


@asynccontextmanager
async def town(
    *, gateways: int = 1, policy: Policy = POLICY, facts: Any = None, **timing: Any
) -> AsyncIterator[Town]:
    """Everything up, nothing attached. `facts`: of the pod; the keywords are times."""
    keyring = Keyring([GatewayKey.new()])
    cluster = Cluster()
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver())
        peer = await stack.enter_async_context(ScriptedAgent.playing(AGENT))
        peer.token = keyring.token(AGENT, "relay", key_id=keyring.current_id)
        peer.drained = UID
        cluster.set(pod(keyring, **(facts or {})))
        at = agent(AGENT, key_id=keyring.current_id)
        made = [
            await stack.enter_async_context(
                _gateway(f"gw-{number}", cluster, keyring, peer, at, policy, timing)
            )
            for number in range(gateways)
        ]
        yield Town(peer, receiver, cluster, keyring, made, at)


@asynccontextmanager
async def _gateway(
    holder: str,
    cluster: Cluster,
    keyring: Keyring,
    peer: ScriptedAgent,
    at: Agent,
    policy: Policy,
    timing: dict[str, Any],
) -> AsyncIterator[Gateway]:
    times = replace(PACE, **timing)
    launcher, links, notes = ScriptedLauncher(), Links(), cluster.view()
    launcher.notes = notes
    launcher.add(at, peer.target)
    guard = Guard(LOOPBACK, own_port=lambda: 0)
    poster = Poster(policy, guard=guard)
    ledger = Ledger(notes, timing=times)
    attachments = Attachments(launcher, links, keyring, poster, ledger=ledger, timing=times)
    pods = Pods(
        notes,
        ledger,
        attachments,
        launcher=launcher,
        links=links,
        keyring=keyring,
        poster=poster,
        claims=Claims(holder),
        timing=times,
    )
    rest: dict[str, Any] = {"guard": guard, "timing": times}
    files = Files(Downloader(guard), most=0, most_bytes=0)
    accept = Accept(
        launcher, links, keyring, attachments, waiting=pods.waiting, files=files, **rest
    )
    rest |= {"reading": pods.reading, "renewal": pods.renewal}
    readback = ReadBack(launcher, links, keyring, attachments, **rest)
    await poster.start()
    pods.start()
    try:
        yield Gateway(notes, launcher, ledger, attachments, pods, accept, readback)
    finally:
        await attachments.close(1.0)
        await pods.close()
        await poster.close()
        await links.close()
