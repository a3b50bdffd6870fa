"""One turn on its way to its receiver."""

import logging
from collections import deque

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.attempt import Destination, Poster
from gateway.delivery.payload import Post, build
from gateway.delivery.policy import Policy
from gateway.delivery.retry import Retries
from gateway.relay.marks import Marks
from proto.agent.v1 import agent_pb2

log = logging.getLogger(__name__)

WINDOW_EVENTS = 64
"""An agent sends at most so many events of a turn beyond its mark."""


class Overrun(Exception):
    """An agent sent more of a turn than its window; the relay does not outlive it."""


class Turn:
    """Delivers one event at a time, in order, and marks each when it is settled.

    The relay's reader adds events; the turn's own task, `run`, delivers them and
    ends when there are none. `destination` None: its ticket does not open, so
    its events are held back, undelivered, by the agent.
    """

    def __init__(
        self,
        *,
        agent_id: str,
        request_id: str,
        generation: int,
        destination: Destination | None,
        poster: Poster,
        policy: Policy,
        marks: Marks,
    ) -> None:
        self.request_id = request_id
        self.generation = generation
        self.running = False
        self.over = False
        self._agent_id = agent_id
        self._destination = destination
        self._poster = poster
        self._marks = marks
        self._pending: deque[agent_pb2.AgentResponse] = deque()
        self._posting = False
        self._stopping = False
        self._retries = Retries(policy=policy, failed=self._tell, stopping=lambda: self._stopping)

    def add(self, event: agent_pb2.AgentResponse) -> bool:
        """Append an event; whether `run` has something to do now.

        Raises:
            Overrun: the agent sends more than its window.
        """
        if self._destination is None or self._stopping or self.over:
            return False
        if len(self._pending) >= WINDOW_EVENTS:
            raise Overrun(self.request_id)
        self._pending.append(event)
        return True

    @property
    def posting(self) -> bool:
        """Whether an attempt is in flight, rather than a wait for the next one."""
        return self._posting

    def stop(self) -> None:
        """Take no other event; `run` ends after the attempt in flight."""
        self._stopping = True

    async def run(self) -> None:
        """Deliver what is pending. Whoever starts it sets `running`, which it resets."""
        try:
            while self._pending and not self._stopping:
                await self._deliver(self._pending[0])
        finally:
            self.running = False

    async def _deliver(self, event: agent_pb2.AgentResponse) -> None:
        destination = self._destination
        assert destination is not None  # without one nothing is ever pending
        post = build(self._agent_id, event)
        answer = await self._attempt(destination, post)
        if answer.verdict is Verdict.RETRY:
            answer = await self._retries.run(answer, lambda: self._attempt(destination, post))
        self._settle(event, answer)

    async def _attempt(self, destination: Destination, post: Post) -> Answer:
        self._posting = True
        try:
            return await self._poster.attempt(destination, post)
        finally:
            self._posting = False

    def _settle(self, event: agent_pb2.AgentResponse, answer: Answer) -> None:
        match answer.verdict:
            case Verdict.DELIVERED:
                self._advance(event)
                self._marks.ack(self.request_id, generation=self.generation, seq=event.seq)
            case Verdict.REJECTED:
                self._tell(answer)
                self._advance(event)
                self._marks.reject(
                    self.request_id,
                    generation=self.generation,
                    seq=event.seq,
                    status=answer.status,
                )
            case Verdict.GONE:
                self._abandon("the receiver answered 410")
            case Verdict.RETRY if not self._stopping:
                self._abandon(f"the retries are spent: {answer.error}")

    def _advance(self, event: agent_pb2.AgentResponse) -> None:
        self._pending.popleft()
        self.over = event.is_final

    def _abandon(self, reason: str) -> None:
        self._pending.clear()
        self.over = True
        self._marks.abandon(self.request_id, generation=self.generation, reason=reason)
        log.warning("deliveries_abandoned", extra={**self._fields(), "reason": reason})

    def _tell(self, answer: Answer) -> None:
        """One line for an event that was not taken."""
        told = {"seq": self._pending[0].seq, "status": answer.status, "error": answer.error}
        log.warning(f"delivery_{answer.verdict.value}", extra={**self._fields(), **told})

    def _fields(self) -> dict[str, object]:
        return {"agent": self._agent_id, "request_id": self.request_id}
