"""How a backend's events become journalled responses."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TypeVar

from agent_runtime.backends.asks import (
    Pending,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import OUTCOMES, Prompt, Turn
from agent_runtime.model import BackendEvent, Code, Outcome, TurnEnd, Usage
from agent_runtime.turns import cut
from agent_runtime.turns.clock import TurnClock
from agent_runtime.turns.coalescer import Coalescer, Merge
from agent_runtime.turns.consent import Asked, Consent
from agent_runtime.turns.kinds import wanted_kinds
from agent_runtime.turns.policy import Policy
from proto.agent.v1 import agent_pb2

log = logging.getLogger(__name__)

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Voice:
    """What every response of this agent says of its origin."""

    backend: str

    def response(self, turn: Turn, session_id: str) -> agent_pb2.AgentResponse:
        return agent_pb2.AgentResponse(
            request_id=turn.request_id,
            session_id=session_id,
            timestamp=time.time_ns() // 1_000_000,
            backend=self.backend,
            state=agent_pb2.AGENT_STATE_PROCESSING,
        )

    def final(self, turn: Turn, session_id: str, end: TurnEnd) -> agent_pb2.AgentResponse:
        """The one response that ends the turn."""
        response = self.response(turn, session_id)
        response.is_final = True
        response.outcome = OUTCOMES[end.outcome]
        response.state = agent_pb2.AGENT_STATE_IDLE
        if end.usage is not None:
            response.usage.CopyFrom(told_usage(end.usage))
        if end.outcome in (Outcome.COMPLETED, Outcome.INTERRUPTED):
            response.complete.success = end.outcome is Outcome.COMPLETED
        else:
            response.error.code = end.code or Code.PROCESSING_ERROR
            response.error.message = end.message
        return response


def told_usage(usage: Usage) -> agent_pb2.Usage:
    return agent_pb2.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost_usd=usage.cost_usd,
    )


class JournalSink:
    """The TurnSink of one running turn, with what its message asked for applied.

    The backend's tasks emit; the runner's task, which made it, gives up and closes.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        voice: Voice,
        turn: Turn,
        session_fact: str,
        clock: TurnClock,
        merge: Merge,
        consent: Consent,
    ) -> None:
        self._journal = journal
        self._voice = voice
        self._turn = turn
        self._session_fact = session_fact
        self._clock = clock
        self._consent = consent
        self._wanted = wanted_kinds(turn.kinds.split())
        self._coalescer = (
            Coalescer(within_s=turn.coalesce_ms / 1000, merge=merge, put=self._put)
            if turn.coalesce_ms
            else None
        )
        self._given_up = asyncio.Event()
        self.session_id = journal.fact(session_fact)

    async def emit(self, event: BackendEvent) -> None:
        """Waits while the journal has no room, and the turn's clock stands still meanwhile.

        Once the turn is to end, what finds no room is dropped: it would otherwise
        keep the turn from ending.
        """
        if not self._journal.has_room and not await self._room():
            return
        if self._coalescer is None:
            self._put(event)
        else:
            self._coalescer.add(event)

    async def session(self, session_id: str) -> None:
        if session_id != self.session_id:
            await self._journal.put_fact(self._session_fact, session_id)
            self.session_id = session_id

    async def bookmark(self, place: str) -> None:
        self._journal.bookmarks.put(self._turn.turn, self.session_id, place)

    async def permission(
        self, event: BackendEvent, ask: PermissionAsk
    ) -> Pending[PermissionAnswer]:
        room = self._journal.has_room or await self._room()
        return self._ask(event, self._consent.permission(ask), room=room)

    async def question(self, event: BackendEvent, ask: QuestionAsk) -> Pending[QuestionAnswer]:
        room = self._journal.has_room or await self._room()
        return self._ask(event, self._consent.question(ask), room=room)

    def heed(self, policy: Policy) -> bool:
        """Of a message that joins the turn: it comes first from now on; False: no room for it."""
        return self._consent.heed(policy)

    def give_up(self) -> None:
        """Let nothing wait any more, neither for room nor for the user."""
        self._given_up.set()
        self._consent.give_up()

    def close(self) -> None:
        """Nothing more comes: journal what was held back."""
        self._flush()

    def _flush(self) -> None:
        if self._coalescer is not None:
            self._coalescer.flush()

    def _ask(self, event: BackendEvent, asked: Asked[A], *, room: bool) -> Pending[A]:
        """Where there is no room the turn is to end, so that nobody is asked."""
        if room:
            self._flush()
            self._put(event, asked.prompt)
        return asked.pending

    async def _room(self) -> bool:
        room = asyncio.create_task(self._journal.room(), name="emit-room")
        given_up = asyncio.create_task(self._given_up.wait(), name="emit-given-up")
        try:
            with self._clock.stopped():
                await asyncio.wait({room, given_up}, return_when=asyncio.FIRST_COMPLETED)
            if not room.done():
                log.warning("event_dropped_for_want_of_room", extra=self._fields())
            return room.done()
        finally:
            room.cancel()
            given_up.cancel()

    def _put(self, event: BackendEvent, prompt: Prompt | None = None) -> None:
        response = self._voice.response(self._turn, self.session_id)
        payload = response.event
        payload.event_type = event.event_type
        payload.event_json = cut.event_json(event)
        payload.kind = event.kind
        payload.data_json = cut.data_json(event)
        body = response.SerializeToString()
        wanted = event.kind in self._wanted
        self._journal.append(self._turn.turn, body, wanted=wanted, prompt=prompt)

    def _fields(self) -> dict[str, object]:
        return {"request_id": self._turn.request_id}
