"""Which agents this gateway relays: at most one relay each, attached when asked for."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from gateway.delivery.attempt import Poster
from gateway.errors import GatewayError, KeyringError, NotFound
from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.relay.agent_relay import AgentRelay, End
from gateway.relay.held import HeldBytes
from gateway.relay.links import Link, Links, bearer
from gateway.relay.pods.ledger import Ledger
from gateway.relay.timing import STANDARD, Timing

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Attachment:
    """What is known of one agent's relay; its task and Attachments touch it.

    `wanted`: somebody has asked for a relay since the last one was greeted.
    `greeted_s`: when that was, on the loop's clock; None: the one at hand was not.
    """

    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    greeted_s: float | None = None
    relay: AgentRelay | None = None
    task: asyncio.Task[None] | None = None

    def greet(self) -> None:
        """The agent sends this relay whatever it has: nobody who asked before needs another."""
        self.greeted_s = asyncio.get_running_loop().time()
        self.wanted.clear()

    def lived_s(self) -> float:
        """How long the relay that has just ended was one."""
        if self.greeted_s is None:
            return 0.0
        return asyncio.get_running_loop().time() - self.greeted_s


class Attachments:
    """Owner of the relays, one named task an agent. Event loop only."""

    def __init__(
        self,
        launcher: Launcher,
        links: Links,
        keyring: Keyring,
        poster: Poster,
        *,
        ledger: Ledger | None = None,
        timing: Timing = STANDARD,
    ) -> None:
        """`ledger`: of agents that may vanish with their turns."""
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._poster = poster
        self._held = HeldBytes(poster.policy.held_bytes)
        self._ledger = ledger
        self._timing = timing
        self._greeted: Callable[[str], None] = lambda _: None
        self._attachments: dict[str, _Attachment] = {}
        self._closing = False

    def ensure(self, agent_id: str) -> None:
        """See to it that some gateway relays the agent, this one if need be. Returns at once."""
        if self._closing:
            return
        attachment = self._attachments.get(agent_id)
        if attachment is not None:
            attachment.wanted.set()
            return
        attachment = self._attachments[agent_id] = _Attachment()
        attachment.task = asyncio.create_task(
            self._keep(agent_id, attachment), name=f"relay-{agent_id}"
        )
        attachment.task.add_done_callback(_tell_death)

    def expect(self, agent_id: str, request_id: str, ticket: bytes) -> None:
        """As `ensure`, for a turn that the agent has just taken: it has an answer also if the
        agent vanishes before any relay has heard of it."""
        if self._ledger is not None and not self.relays(agent_id):
            self._ledger.accepted(agent_id, request_id, ticket)
        self.ensure(agent_id)

    def tell_greeted(self, greeted: Callable[[str], None]) -> None:
        """From now on `greeted` is told of every agent in the ledger that greets a relay."""
        self._greeted = greeted

    def relays(self, agent_id: str) -> bool:
        """Whether a relay of this gateway has the agent, or is to have it again."""
        return agent_id in self._attachments

    def leave(self, agent_id: str, request_ids: Collection[str]) -> None:
        """Another gateway ends these turns."""
        attachment = self._attachments.get(agent_id)
        if attachment is not None and attachment.relay is not None:
            attachment.relay.leave(request_ids)

    def relays_unnoted(self, agent_id: str) -> bool:
        """Whether its relay here takes no notes: it began when the journal was to be kept."""
        attachment = self._attachments.get(agent_id)
        relay = attachment.relay if attachment is not None else None
        return relay is not None and not relay.takes_notes

    async def renew(self, agent_id: str) -> None:
        """Put another relay in the place of this gateway's, after the posts in flight."""
        attachment = self._attachments.get(agent_id)
        if attachment is None or attachment.relay is None:
            return
        attachment.wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.release_s):
                await attachment.relay.finish()

    async def release(self, agent_id: str) -> None:
        """End this gateway's relay of the agent, after the posts in flight."""
        attachment = self._attachments.get(agent_id)
        if attachment is None or attachment.task is None:
            return
        farewell = asyncio.create_task(_finish(attachment), name=f"relay-release-{agent_id}")
        tasks = {farewell, attachment.task}
        _, late = await asyncio.wait(tasks, timeout=self._timing.release_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def close(self, timeout_s: float) -> None:
        """Attach nothing more, let posts in flight end and mark them, end the streams.

        What is not done after `timeout_s` is dropped: the agents still have it.
        """
        self._closing = True
        attachments = list(self._attachments.values())
        running = [attachment.task for attachment in attachments if attachment.task]
        farewells = [
            asyncio.create_task(_finish(attachment), name="relay-farewell")
            for attachment in attachments
        ]
        if not farewells:
            return
        _, late = await asyncio.wait([*farewells, *running], timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _keep(self, agent_id: str, attachment: _Attachment) -> None:
        """Relay until there is no reason to any more."""
        breaks = 0
        try:
            while not self._closing:
                attachment.wanted.clear()
                attachment.greeted_s = None
                if not await self._relay(agent_id, attachment):
                    if attachment.wanted.is_set():
                        continue
                    return
                long = attachment.lived_s() > self._timing.longest_backoff_s
                breaks = 0 if long else breaks + 1
                if breaks >= self._timing.attaches:
                    log.warning("relay_given_up", extra={"agent": agent_id})
                    return
                await self._pause(attachment, breaks)
        finally:
            del self._attachments[agent_id]

    async def _relay(self, agent_id: str, attachment: _Attachment) -> bool:
        """One relay from its beginning to its end; whether it has to be attached again."""
        if self._ledger is not None and self._ledger.bars(agent_id):
            return False
        try:
            target = await self._launcher.reach(agent_id, timeout_s=self._timing.reach_s)
            tokens = await self._tokens(agent_id)
        except NotFound:
            return False
        except GatewayError as error:
            log.warning("agent_unreachable", extra={"agent": agent_id, "reason": str(error)})
            return not isinstance(error, KeyringError)
        async with self._links.to(target) as link:
            for token in tokens:
                relay = self._new_relay(agent_id, attachment)
                end = await self._stream(agent_id, relay, link, token, attachment)
                if end is not End.STRANGER or self._closing:
                    return end in (End.BROKEN, End.SILENT) and relay.holding
        log.error("relay_token_refused", extra={"agent": agent_id})
        return False

    async def _tokens(self, agent_id: str) -> list[str]:
        """The token of its key. Of a deleted agent the key is not told any more: each key's."""
        try:
            key_ids: Sequence[str] = [(await self._launcher.get(agent_id)).key_id]
        except NotFound:
            key_ids = self._keyring.key_ids
        return [self._keyring.token(agent_id, "relay", key_id=key_id) for key_id in key_ids]

    async def _stream(
        self, agent_id: str, relay: AgentRelay, link: Link, token: str, attachment: _Attachment
    ) -> End:
        attachment.relay = relay
        end = End.BROKEN
        try:
            end = await relay.run(link.relay.Relay(metadata=bearer(token)))
        finally:
            attachment.relay = None
            if self._ledger is not None:
                elsewhere = end in (End.REFUSED, End.REPLACED)
                self._ledger.end(agent_id, relayed_elsewhere=elsewhere)
        log.info("relay_ended", extra={"agent": agent_id, "end": end.value})
        if end is End.SILENT:
            await self._links.renew(link)
        return end

    def _new_relay(self, agent_id: str, attachment: _Attachment) -> AgentRelay:
        return AgentRelay(
            agent_id,
            keyring=self._keyring,
            poster=self._poster,
            held=self._held,
            timing=self._timing,
            greeted=lambda: self._greet(agent_id, attachment),
            noted=None if self._ledger is None else self._ledger.of(agent_id),
        )

    def _greet(self, agent_id: str, attachment: _Attachment) -> None:
        attachment.greet()
        if self._ledger is not None and attachment.relay is not None:
            self._ledger.begin(agent_id, attachment.relay.drained)
            self._greeted(agent_id)

    async def _pause(self, attachment: _Attachment, breaks: int) -> None:
        """Wait a random while, or until somebody asks."""
        window_s = min(self._timing.first_backoff_s * 2**breaks, self._timing.longest_backoff_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(0, window_s)):  # noqa: S311 - spreads load
                await attachment.wanted.wait()


async def _finish(attachment: _Attachment) -> None:
    """End one relay in order; without a stream there is nothing to lose."""
    if attachment.relay is not None:
        await attachment.relay.finish()
    elif attachment.task is not None:
        attachment.task.cancel()


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("relay_died", extra={"task": task.get_name()}, exc_info=error)
