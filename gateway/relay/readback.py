"""Reading back what an agent's journal holds, and having it delivered again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import grpc

from gateway.delivery.guard import Guard
from gateway.delivery.payload import build
from gateway.delivery.ticket import check_target, seal, unseal
from gateway.errors import BadRequest, Gone, SealBroken, Unavailable
from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.model import (
    Agent,
    Event,
    Page,
    Stretch,
    Target,
    TurnPage,
    TurnReport,
)
from gateway.relay.attach import Attachments
from gateway.relay.links import Links, bearer, cancelling, translate
from gateway.relay.pods.reading import Reading
from gateway.relay.pods.renewal import Renewal
from gateway.relay.report import report
from gateway.relay.timing import STANDARD, Timing
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

PAGE_BYTES = 1024 * 1024
"""Payloads of one page together, but one event at least."""


class _TimeUp(Unavailable):
    """It has been followed for `follow_s`."""


Metadata = tuple[tuple[str, str], ...]


class ReadBack:
    """Asks agents for their turns and events. Keeps nothing; event loop only.

    Every method raises Unavailable when the agent does not answer, and NotFound
    for a turn that it does not know.
    """

    def __init__(
        self,
        launcher: Launcher,
        links: Links,
        keyring: Keyring,
        attachments: Attachments,
        *,
        guard: Guard,
        reading: Reading | None = None,
        renewal: Renewal | None = None,
        timing: Timing = STANDARD,
    ) -> None:
        """`reading`, `renewal`: where agents' turns may have notes."""
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._attachments = attachments
        self._guard = guard
        self._reading = reading
        self._renewal = renewal
        self._timing = timing

    async def turns(self, agent: Agent, *, before: str = "") -> TurnPage:
        """The newest that the journal knows, or the newest that came before one."""
        if self._reading is not None and (waiting := self._reading.turns(agent.agent_id)):
            return waiting
        return await self._turns(agent, relay_pb2.TurnsRequest(before=before))

    async def turn(self, agent: Agent, request_id: str) -> TurnReport:
        """The one named."""
        if self._reading and (waiting := self._reading.turn(agent.agent_id, request_id)):
            return waiting
        page = await self._turns(agent, relay_pb2.TurnsRequest(request_id=request_id))
        if len(page.turns) != 1:
            raise Unavailable(f"agent {agent.agent_id} does not say what became of {request_id}")
        return page.turns[0]

    async def redeliver(
        self,
        agent: Agent,
        request_id: str,
        *,
        from_seq: int = 0,
        target: Target | None = None,
        secret: str = "",
    ) -> int:
        """Deliver a turn's events once more; returns the generation that this begins.

        Args:
            from_seq: 0: the first one that is unsettled or was rejected.
            target: None: the one that the turn has.
            secret: signs from now on what goes to that one; "": as before.

        Raises:
            Gone: events from there on are not kept any more.
            BadRequest: the turn has no target and none is given, or the guard refuses it.
        """
        request = relay_pb2.RedeliverRequest(request_id=request_id, from_seq=from_seq)
        if target is None:
            target = await self._signed_anew(agent, request_id, secret)
        if target is not None:
            self._guard.admit(target.webhook_url)
            request.ticket = seal(
                self._keyring, agent_id=agent.agent_id, request_id=request_id, target=target
            )
        async with self._relay_service(agent) as (service, metadata):
            begun = await service.Redeliver(
                request, metadata=metadata, timeout=self._timing.submit_s
            )
        if not begun.relay_attached:
            self._attachments.ensure(agent.agent_id)
        if request.ticket and self._renewal is not None:
            await self._renewal.replace(
                agent.agent_id, request_id, ticket=request.ticket, generation=begun.generation
            )
        return begun.generation

    async def _signed_anew(self, agent: Agent, request_id: str, secret: str) -> Target | None:
        """The turn's own target with another secret; None: just as it is. Raises BadRequest."""
        turn = await self.turn(agent, request_id)
        if turn.delivery == "none":
            raise BadRequest(f"webhook_url is missing: turn {request_id} was sent without one")
        if not secret:
            return None
        try:
            own = unseal(self._keyring, turn.ticket, agent_id=agent.agent_id, request_id=request_id)
        except SealBroken as error:
            raise BadRequest("webhook_url is missing: the one it has cannot be read") from error
        return replace(own, webhook_secret=check_target(own.webhook_url, secret).webhook_secret)

    async def page(self, agent: Agent, stretch: Stretch, *, limit: int) -> Page:
        """The first events of a stretch: at most `limit`, and PAGE_BYTES.

        Raises:
            Gone: events after `after_seq` are not kept any more.
        """
        events: list[Event] = []
        room = PAGE_BYTES
        async with aclosing(self._replay(agent, stretch, follow=False)) as lists:
            async for some in lists:
                for event in some:
                    if events and (len(events) == limit or len(event.payload) > room):
                        return Page(events=tuple(events), more=True)
                    events.append(event)
                    room -= len(event.payload)
        return Page(events=tuple(events), more=False)

    async def follow(
        self, agent: Agent, stretch: Stretch
    ) -> AsyncGenerator[Sequence[Event], None] | None:
        """What there is and then what comes, in lists; of one turn, up to its final.

        None: the turn has ended, and nothing of it is after `after_seq`. Nothing
        is open yet when this returns; whoever reads closes the generator, which
        may still raise Gone and Unavailable in the middle.

        Raises:
            Gone: events after `after_seq`, or all of the turn, are not kept any more.
        """
        ended = False
        if stretch.request_id:
            ended = (await self.turn(agent, stretch.request_id)).state == "ended"
        async with aclosing(self._replay(agent, stretch, follow=False)) as lists:
            first = await anext(lists, None)
        if first is not None or not ended:
            return self._follow(agent, stretch)
        if stretch.after_seq is None:
            raise Gone(f"the events of turn {stretch.request_id} are not kept any more")
        return None

    async def _follow(
        self, agent: Agent, stretch: Stretch
    ) -> AsyncGenerator[Sequence[Event], None]:
        while True:
            async with aclosing(self._replay(agent, stretch, follow=True)) as lists:
                try:
                    async for some in lists:
                        yield some
                        if stretch.request_id and some[-1].is_final:
                            return
                        stretch = replace(stretch, after_seq=some[-1].seq)
                except _TimeUp:
                    await self._look(agent, stretch)
                    continue
            raise Unavailable(f"agent {agent.agent_id} ended this stream; go on after the last seq")

    async def _look(self, agent: Agent, stretch: Stretch) -> None:
        """Raises Unavailable if the agent does not answer any more."""
        async with aclosing(self._replay(agent, stretch, follow=False)) as lists:
            await anext(lists, None)

    async def _replay(
        self, agent: Agent, stretch: Stretch, *, follow: bool
    ) -> AsyncGenerator[Sequence[Event], None]:
        request = relay_pb2.ReplayRequest(
            request_id=stretch.request_id, after_seq=stretch.after_seq, follow=follow
        )
        timeout_s = self._timing.follow_s if follow else self._timing.submit_s
        async with self._relay_service(agent) as (service, metadata):
            call = service.Replay(request, metadata=metadata, timeout=timeout_s)
            try:
                async for response in call:
                    events = [_event(agent.agent_id, told) for told in response.events]
                    del response  # a slow reader keeps this waiting: not with two copies
                    if events:
                        yield events
            except grpc.aio.AioRpcError as error:
                if follow and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise _TimeUp(f"agent {agent.agent_id} was followed long enough") from error
                raise
            finally:
                call.cancel()

    async def _turns(self, agent: Agent, request: relay_pb2.TurnsRequest) -> TurnPage:
        async with self._relay_service(agent) as (service, metadata):
            told = await service.Turns(request, metadata=metadata, timeout=self._timing.submit_s)
        return TurnPage(turns=tuple(map(report, told.turns)), more=told.more)

    @asynccontextmanager
    async def _relay_service(
        self, agent: Agent
    ) -> AsyncIterator[tuple["relay_pb2_grpc.RelayServiceAsyncStub", Metadata]]:
        """The agent's service; how calls of it end within the block becomes an error of ours."""
        agent_id = agent.agent_id
        target = await self._launcher.reach(agent_id, timeout_s=self._timing.reach_s)
        if self._reading is not None:
            await self._reading.ready(agent_id)
        token = self._keyring.token(agent_id, "relay", key_id=agent.key_id)
        async with self._links.to(target) as link:
            try:
                yield link.relay, bearer(token)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._links.renew(link)
                raise translate(error, agent_id) from error
            except asyncio.CancelledError as error:
                if cancelling():
                    raise
                raise Unavailable(f"agent {agent_id} broke off") from error


def _event(agent_id: str, told: agent_pb2.AgentResponse) -> Event:
    return Event(told.seq, told.is_final, build(agent_id, told).body)
