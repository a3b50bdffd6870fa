"""One gateway that relays an agent: the real code of both, a line between them, and posts
that wait for the answers which a test gives them."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import grpc

from agent_runtime.journal.journal import Journal
from agent_runtime.server.relay_session import RelayDead, RelaySession
from agent_runtime.server.relay_slot import RelaySlot
from gateway.delivery.answer import Answer
from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Destination
from gateway.delivery.guard import LOOPBACK, Guard
from gateway.delivery.payload import Post
from gateway.delivery.policy import Policy
from gateway.keyring import Keyring
from gateway.relay.agent_relay import AgentRelay, End
from gateway.relay.held import HeldBytes
from gateway.relay.marks import Stream
from gateway.relay.timing import Timing
from proto.relay.v1 import relay_pb2
from tests.e2e.line import Line

AGENT = "agent-1"


@dataclass(eq=False)
class Attempt:
    """One POST that has reached the receiver; `generation` is the turn's on that relay."""

    by: "Relayed"
    url: str
    post: Post
    batched: bool
    name: str
    seqs: list[int]
    generation: int
    answer: "asyncio.Future[Answer]" = field(default_factory=asyncio.Future)

    @classmethod
    def of(cls, by: "Relayed", destination: Destination, post: Post) -> "Attempt":
        payload = json.loads(post.body)
        batched = "events" in payload
        events = payload["events"] if batched else [payload]
        name = events[0]["request_id"]
        seqs = [event["seq"] for event in events]
        generation = by.line.opened.get(name, 0)
        return cls(by, str(destination.url), post, batched, name, seqs, generation)


Arrived = Callable[[Attempt], Awaitable[Answer]]


class _Posting(Poster):
    """Its posts arrive at the test instead of a host. Never started: it has no connections."""

    def __init__(self, policy: Policy, by: "Relayed", arrived: Arrived) -> None:
        super().__init__(policy, guard=Guard(LOOPBACK, own_port=lambda: 0))
        self._by = by
        self._arrived = arrived

    async def attempt(self, destination: Destination, post: Post) -> Answer:
        return await self._arrived(Attempt.of(self._by, destination, post))


class Relayed:
    """Both ends of a relay, from its attachment to the end of its tasks."""

    def __init__(
        self,
        journal: Journal,
        slot: RelaySlot,
        *,
        keyring: Keyring,
        policy: Policy,
        timing: Timing,
        silence_s: float,
        arrived: Arrived,
    ) -> None:
        """Raises RelayTaken."""
        self.line = Line(self._hang_up)
        self.session = slot.enter(
            lambda: RelaySession(
                journal=journal,
                hello=relay_pb2.Hello(agent_id=AGENT),
                write=self.line.write_down,
                silence_s=silence_s,
            )
        )
        self.dead = asyncio.Event()
        self.settled: dict[tuple[str, int], int] = {}
        """The last seq that receivers settled for it, by turn and generation."""
        self.held = HeldBytes(policy.held_bytes)
        self._slot = slot
        self.relay = AgentRelay(
            AGENT,
            keyring=keyring,
            poster=_Posting(policy, self, arrived),
            held=self.held,
            timing=timing,
            greeted=lambda: None,
        )
        self._serving = asyncio.create_task(self._serve(), name="agent")
        self._relaying = asyncio.create_task(self.relay.run(cast(Stream, self.line)), name="relay")

    @property
    def over(self) -> bool:
        """Both sides have ended. Raises what the gateway's died of."""
        if self._relaying.done() and not self._relaying.cancelled():
            assert self._relaying.result() is not End.REPLACED or self.dead.is_set()
        return self._relaying.done() and self._serving.done()

    @property
    def lives(self) -> bool:
        return not (self.dead.is_set() or self._serving.done() or self._relaying.done())

    @property
    def pending_bytes(self) -> int:
        """Of the events that its turns have."""
        relay = self.relay
        turns = {*relay._turns.values(), *(turn for _, turn in relay._deliveries.values())}
        return sum(len(data) for turn in turns for data, _ in turn._pending._events)

    async def kill(self, *, heard: bool) -> None:
        """The gateway's process dies. `heard`: what it has written still reaches the agent."""
        if heard:
            self.line.leave()
        else:
            self.line.snap()
        self._relaying.cancel()
        await self.ended()

    async def finish(self) -> None:
        """The gateway closes in order."""
        await self.relay.finish()
        await self.ended()

    async def ended(self) -> None:
        """Wait for both sides' tasks."""
        async with asyncio.timeout(5):
            await asyncio.wait({self._relaying, self._serving})
        assert self.over

    def _hang_up(self) -> None:
        self._serving.cancel()

    async def _serve(self) -> None:
        """What the agent's service makes of the call."""
        status = grpc.StatusCode.OK
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self.session.run(self.line.ups(), died=self._died)
        except RelayDead:
            status = grpc.StatusCode.ABORTED
        finally:
            self._slot.leave(self.session)
            self.line.end(status)

    def _died(self) -> None:
        self._slot.died(self.session)
        self.dead.set()
