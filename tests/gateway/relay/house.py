"""A gateway's relay room with real parts, and scripted peers on both sides."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from gateway.delivery.attempt import Poster
from gateway.delivery.download import Downloader
from gateway.delivery.guard import LOOPBACK, Guard
from gateway.delivery.policy import Policy
from gateway.delivery.ticket import seal
from gateway.keyring import GatewayKey, Keyring
from gateway.model import Target
from gateway.relay.accept import Accept
from gateway.relay.attach import Attachments
from gateway.relay.files import Files
from gateway.relay.lifecycle import Lifecycle
from gateway.relay.links import Links
from gateway.relay.readback import ReadBack
from gateway.relay.timing import Timing
from tests.peers.agent import PeerRelay, ScriptedAgent
from tests.peers.launcher import ScriptedLauncher, agent
from tests.peers.receiver import Receiver

POLICY = Policy(timeout_s=5.0, first_wait_s=0.01, longest_wait_s=0.05)
TIMING = Timing(
    hello_s=2.0,
    farewell_s=1.0,
    reach_s=1.0,
    submit_s=1.0,
    status_s=0.5,
    goodbye_s=0.5,
    first_backoff_s=0.01,
    longest_backoff_s=0.05,
)
AGENT = "agent-1"
SECRET = "s3cret"


@dataclass(frozen=True, slots=True)
class House:
    """One gateway's relay and one agent."""

    agent: ScriptedAgent
    receiver: Receiver
    launcher: ScriptedLauncher
    keyring: Keyring
    links: Links
    attachments: Attachments
    accept: Accept
    lifecycle: Lifecycle
    readback: ReadBack

    def target(self, path: str = "/hook") -> Target:
        url = f"http://127.0.0.1:{self.receiver.port}{path}"
        return Target(webhook_url=url, webhook_secret=SECRET)

    def ticket(self, request_id: str, target: Target | None = None) -> bytes:
        return seal(
            self.keyring,
            agent_id=AGENT,
            request_id=request_id,
            target=target or self.target(),
        )


@asynccontextmanager
async def house(
    *, policy: Policy = POLICY, keyring: Keyring | None = None, **timing: Any
) -> AsyncIterator[House]:
    """Everything up, nothing attached; the keywords are times of the relay."""
    keyring = keyring or Keyring([GatewayKey.new()])
    times = replace(TIMING, **timing)
    launcher, links = ScriptedLauncher(), Links()
    guard = Guard(LOOPBACK, own_port=lambda: 0)
    poster = Poster(policy, guard=guard)
    async with Receiver() as receiver, ScriptedAgent.playing(AGENT) as peer:
        launcher.add(agent(AGENT, key_id=keyring.current_id), peer.target)
        peer.token = keyring.token(AGENT, "relay", key_id=keyring.current_id)
        attachments = Attachments(launcher, links, keyring, poster, timing=times)
        downloader = Downloader(guard, timeout_s=2.0)
        files = Files(downloader, most=3, most_bytes=1000)
        accept = Accept(
            launcher, links, keyring, attachments, guard=guard, files=files, timing=times
        )
        lifecycle = Lifecycle(launcher, links, attachments, keyring=keyring, timing=times)
        readback = ReadBack(launcher, links, keyring, attachments, guard=guard, timing=times)
        parts = (launcher, keyring, links, attachments, accept, lifecycle, readback)
        await poster.start()
        await downloader.start()
        try:
            yield House(peer, receiver, *parts)
        finally:
            await lifecycle.close()
            await attachments.close(1.0)
            await downloader.close()
            await poster.close()
            await links.close()


async def attached(home: House) -> PeerRelay:
    """The agent's relay, once it is there."""
    home.attachments.ensure(AGENT)
    return await home.agent.relay()
