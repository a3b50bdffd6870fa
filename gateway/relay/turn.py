"""One turn on its way to its receiver."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Destination
from gateway.delivery.payload import build, together
from gateway.delivery.retry import NONE_FAILED, Failures, Later, Retries, Spent
from gateway.model import Batch
from gateway.relay.held import HeldBytes
from gateway.relay.marks import Marks
from gateway.relay.pending import Pending
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)

Events = Sequence[agent_pb2.AgentResponse]
Outcome = Answer | Later | Spent
Settled = Callable[[str, Callable[[], None]], None]
"""Told of a turn of which nothing more is to be delivered, and calls what tells its agent."""

_SEALED = Answer(Verdict.HELD, error="no gateway key opens the ticket")
_NO_ROOM = Answer(Verdict.HELD, error="the gateway holds as much as it may")


def at_once(_: str, mark: Callable[[], None]) -> None:
    """Where nobody else has to know of it before."""
    mark()


class Turn:
    """Delivers one event (or batch) at a time, in order, and marks each when it is settled.

    The relay's reader adds events; the turn's own task, `run`, delivers them and
    ends when there are none. Once `over`, it holds nothing and takes nothing:
    its final is settled, or it is abandoned or parked, and comes again under
    another OpenTurn if at all.
    """

    def __init__(
        self,
        opened: relay_pb2.OpenTurn,
        *,
        agent_id: str,
        destination: Destination | None,
        poster: Poster,
        marks: Marks,
        held: HeldBytes,
        settled: Settled = at_once,
    ) -> None:
        """`destination` None: the ticket does not open."""
        self.request_id = opened.request_id
        self.over = False
        self._generation = opened.generation
        self._agent_id = agent_id
        self._destination = destination
        self._poster = poster
        self._marks = marks
        self._settled = settled
        self._pending = Pending(held.share(destination.origin if destination else ""))
        self._failures = _failures(opened)
        self._at_hand = 0
        self._one_by_one = 0
        self._no_room_for = 0
        self._sleeping = False
        self._stopping = False
        self._more = asyncio.Event()
        self._retries = Retries(
            policy=poster.policy, failed=self._failed, stopping=lambda: self._stopping
        )

    @property
    def ready(self) -> bool:
        """Whether `run` has something to do."""
        return bool(self._pending) and not self._stopping

    @property
    def posting(self) -> bool:
        """Whether an attempt is in flight, rather than a wait for something."""
        return self._at_hand > 0 and not self._sleeping

    def add(self, event: agent_pb2.AgentResponse) -> None:
        """Append an event, or park the turn when there is no room for it.

        Raises:
            Overrun: the agent sends more than its window.
        """
        if self.over or self._stopping or self._no_room_for:
            return
        if self._destination is None:
            self._park(event.seq, self._poster.policy.sealed_wait_s, _SEALED)
        elif not self._pending.add(event):
            # One event stays, so that a turn always gets on.
            self._no_room_for = self._pending.keep(max(self._at_hand, 1)) or event.seq
            if not self._pending:
                self._wait_for_room()
        self._more.set()

    def stop(self) -> None:
        """Take no other event; `run` ends after the attempt in flight."""
        self._stopping = True

    def drop(self) -> None:
        """Hold nothing any more."""
        self.over = True
        self._pending.keep(0)

    async def run(self) -> None:
        """Deliver what is pending."""
        while self.ready:
            await self._deliver()
        if self._no_room_for and not self.over:
            self._wait_for_room()

    async def _deliver(self) -> None:
        destination = self._destination
        assert destination is not None  # without one nothing is ever pending
        if destination.batch is None or self._one_by_one:
            events: Events = self._pending.first(1)
        else:
            events = await self._gather(destination.batch)
        self._at_hand = len(events)
        outcome = await self._outcome(events, destination)
        if not self.over:
            self._settle(events, outcome)
        self._at_hand = 0

    async def _gather(self, batch: Batch) -> Events:
        """The events of the next post; it waits for more, but not long."""
        wait_s = min(batch.max_wait_ms / 1000, self._poster.policy.longest_gather_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not (self._no_room_for or self._pending.complete(batch.max_events)):
                    self._more.clear()
                    await self._more.wait()
        return self._pending.first(batch.max_events)

    async def _outcome(self, events: Events, destination: Destination) -> Outcome:
        posts = [build(self._agent_id, event) for event in events]
        post = posts[0] if destination.batch is None else together(posts)
        answer = await self._poster.attempt(destination, post)
        if answer.verdict is not Verdict.RETRY:
            return answer

        async def again() -> Answer:
            self._sleeping = False
            return await self._poster.attempt(destination, post)

        return await self._retries.run(answer, again, before=self._failures)

    def _settle(self, events: Events, outcome: Outcome) -> None:
        first, last = events[0], events[-1]
        match outcome:
            case Answer(Verdict.DELIVERED):
                self._ack(last, len(events))
                self._advance(events)
            case Later(delay_s, answer):
                self._park(first.seq, delay_s, answer)
            case Spent(answer):
                self._abandon(f"the retries are spent: {answer.error}")
            case Answer(Verdict.REJECTED) if first is not last:
                self._split(events, outcome)
            case Answer(Verdict.REJECTED, status):
                self._tell("delivery_rejected", seq=last.seq, status=status)
                self._reject(last, status)
                self._advance(events)
            case Answer(Verdict.HELD):
                self._park(first.seq, outcome.retry_after_s, outcome)
            case Answer(Verdict.GONE):
                self._abandon("the receiver answered 410")

    def _ack(self, last: agent_pb2.AgentResponse, events: int) -> None:
        generation, seq = self._generation, last.seq
        if last.is_final:
            ack = partial(self._marks.ack, generation=generation, seq=seq, events=events)
            self._settled(self.request_id, partial(ack, self.request_id))
        else:
            self._marks.ack(self.request_id, generation=generation, seq=seq, events=events)

    def _reject(self, last: agent_pb2.AgentResponse, status: int) -> None:
        reject = partial(self._marks.reject, generation=self._generation, seq=last.seq)
        tell = partial(reject, self.request_id, status=status)
        if last.is_final:
            self._settled(self.request_id, tell)
        else:
            tell()

    def _split(self, events: Events, rejected: Answer) -> None:
        """Go on with the batch one by one; told, or the agent would hear nothing for too long."""
        self._one_by_one = len(events)
        earlier = self._failures
        self._failures = Failures(earlier.count + 1, earlier.since_s or time.time())
        self._tell_failed(events[0].seq, rejected)

    def _advance(self, events: Events) -> None:
        self._pending.settle(len(events))
        self._failures = NONE_FAILED
        self._one_by_one = max(self._one_by_one - len(events), 0)
        if events[-1].is_final:
            self.drop()
        if not self._pending:
            self._marks.tell(self.request_id)

    def _wait_for_room(self) -> None:
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, guards nothing
        self._park(self._no_room_for, self._poster.policy.room_wait_s * jitter, _NO_ROOM)

    def _park(self, seq: int, delay_s: float, answer: Answer) -> None:
        """Give the turn back to its agent; it counts a failure only if there was an attempt."""
        self.drop()
        self._marks.park(
            self.request_id,
            generation=self._generation,
            seq=seq,
            delay_s=delay_s,
            failure=answer.verdict is Verdict.RETRY,
            status=answer.status,
            error=answer.error,
        )
        told = {"status": answer.status, "error": answer.error, "delay_s": round(delay_s, 3)}
        self._tell("delivery_parked", seq=seq, **told)

    def _abandon(self, reason: str) -> None:
        self.drop()
        abandon = partial(self._marks.abandon, generation=self._generation, reason=reason)
        self._settled(self.request_id, partial(abandon, self.request_id))
        self._tell("deliveries_abandoned", reason=reason)

    def _failed(self, answer: Answer) -> None:
        """An attempt failed and is going to be repeated from here, after a short sleep."""
        self._sleeping = True
        [event] = self._pending.first(1)
        self._tell_failed(event.seq, answer)

    def _tell_failed(self, seq: int, answer: Answer) -> None:
        self._marks.failed(
            self.request_id,
            generation=self._generation,
            seq=seq,
            status=answer.status,
            error=answer.error or f"answered {answer.status}",
        )
        self._tell("delivery_retry", seq=seq, status=answer.status, error=answer.error)

    def _tell(self, name: str, **fields: object) -> None:
        log.warning(name, extra={"agent": self._agent_id, "request_id": self.request_id, **fields})


def _failures(opened: relay_pb2.OpenTurn) -> Failures:
    """Those before, on this machine's clock."""
    if opened.attempts <= 0:
        return NONE_FAILED
    return Failures(opened.attempts, time.time() - opened.failing_ms / 1000)
