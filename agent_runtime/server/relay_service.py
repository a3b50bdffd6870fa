"""relay.v1: what gateways speak."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from agent_runtime.errors import Exhausted, Invalid, NotDrained, RuntimeFault
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Turn
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.refusal import abort
from agent_runtime.server.relay_session import RelayDead, RelaySession
from agent_runtime.server.relay_slot import RelaySlot, RelayTaken
from agent_runtime.server.replay import replay
from agent_runtime.server.usage import Usage
from agent_runtime.turns.command import check, check_ticket
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.runner import Runner
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

MAX_TURNS = 200
"""Told at once. Thousands in one answer hold up everybody here and in the gateway."""
MAX_REPLAYS = 128
"""Readers of events at the same time; the other calls, relays above all, must find room."""

NOT_DRAINED = "not drained"
"""What relay.proto promises as the details of that refusal."""

_FAREWELL_S = 1.0


class RelayService(relay_pb2_grpc.RelayServiceServicer):
    """Submit, Relay, Replay, Redeliver, Turns, Drained, Retire."""

    def __init__(
        self,
        *,
        agent_id: str,
        journal: Journal,
        drained: Drained,
        runner: Runner,
        slot: RelaySlot,
        usage: Usage,
        retire: Callable[[bool], Awaitable[None]],
    ) -> None:
        self._agent_id = agent_id
        self._journal = journal
        self._drained = drained
        self._runner = runner
        self._slot = slot
        self._usage = usage
        self._retire = retire
        self._replays = 0

    async def Submit(
        self, request: relay_pb2.SubmitRequest, context: Context
    ) -> relay_pb2.SubmitResponse:
        self._usage.touch()
        try:
            if not request.request.request_id:
                raise Invalid("request_id: is needed here")
            options = request.delivery if request.HasField("delivery") else None
            command = check(
                request.request, ticket=request.ticket, options=options, waited=request.waited
            )
            accepted = await self._runner.submit(command)
        except NotDrained:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, NOT_DRAINED)
        except RuntimeFault as fault:
            await abort(context, fault)
        return relay_pb2.SubmitResponse(
            result=accepted.result,
            state=accepted.turn.state,
            relay_attached=self._slot.attached,
        )

    async def Relay(  # type: ignore[override]  # writes to the context, which grpc.aio takes too
        self, request_iterator: AsyncIterator[relay_pb2.RelayUp], context: Context
    ) -> None:
        try:
            session = self._slot.enter(
                lambda: RelaySession(
                    journal=self._journal, hello=self._hello(), write=context.write
                )
            )
        except RelayTaken as taken:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, str(taken))
        dead = await self._relay(session, request_iterator)
        if dead:  # it may not even read this
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_S):
                    await context.abort(grpc.StatusCode.ABORTED, dead)

    def _hello(self) -> relay_pb2.Hello:
        return relay_pb2.Hello(agent_id=self._agent_id, drained=self._drained.uid)

    async def _relay(
        self, session: RelaySession, requests: AsyncIterator[relay_pb2.RelayUp]
    ) -> str:
        """Until the stream ends; why it was taken for dead, "" when it was not."""
        try:
            await session.run(requests, died=lambda: self._slot.died(session))
        except RelayDead as dead:
            return str(dead)
        finally:
            self._slot.leave(session)
        return ""

    async def Replay(  # type: ignore[override]  # writes to the context, which grpc.aio takes too
        self, request: relay_pb2.ReplayRequest, context: Context
    ) -> None:
        with self._usage.call():
            self._replays += 1
            try:
                if self._replays > MAX_REPLAYS:
                    raise Exhausted("this agent's events are read by too many; repeat later")
                await replay(self._journal, request, context.write)
            except RuntimeFault as fault:
                await abort(context, fault)
            finally:
                self._replays -= 1

    async def Redeliver(
        self, request: relay_pb2.RedeliverRequest, context: Context
    ) -> relay_pb2.RedeliverResponse:
        self._usage.touch()
        try:
            check_ticket(request.ticket)
            generation = await self._journal.redeliver(
                request.request_id, request.from_seq, request.ticket or None
            )
        except RuntimeFault as fault:
            await abort(context, fault)
        return relay_pb2.RedeliverResponse(
            generation=generation, relay_attached=self._slot.attached
        )

    async def Turns(
        self, request: relay_pb2.TurnsRequest, context: Context
    ) -> relay_pb2.TurnsResponse:
        try:
            if request.request_id:
                return self._named(request.request_id)
            rows = self._journal.turns(limit=MAX_TURNS + 1, before=request.before)
        except RuntimeFault as fault:
            await abort(context, fault)
        now = now_ms()
        return relay_pb2.TurnsResponse(
            turns=[self._turn(row, now) for row in rows[-MAX_TURNS:]], more=len(rows) > MAX_TURNS
        )

    def _named(self, request_id: str) -> relay_pb2.TurnsResponse:
        """With its ticket. Raises UnknownTurn."""
        row = self._journal.turn(request_id)
        turn = self._turn(row, now_ms())
        turn.ticket = row.ticket or b""
        return relay_pb2.TurnsResponse(turns=[turn])

    def _turn(self, row: Turn, now: int) -> relay_pb2.Turn:
        return relay_pb2.Turn(
            request_id=row.request_id,
            state=row.state,
            outcome=row.outcome,
            first_seq=row.first_seq,
            last_seq=row.last_seq,
            acked_seq=row.acked_seq,
            delivery=row.delivery(now),
            attempts=row.attempts,
            next_attempt_ms=row.next_attempt_ms,
            last_status=row.last_status,
            last_error=row.abandoned or row.last_error,
            generation=row.generation,
            rejected_seqs=self._journal.outstanding.rejected(row.turn),
            created_ms=row.created_ms,
        )

    async def Drained(
        self, request: relay_pb2.DrainedRequest, context: Context
    ) -> relay_pb2.DrainedResponse:
        try:
            await self._drained.tell(request.pod_uid)
        except RuntimeFault as fault:
            await abort(context, fault)
        return relay_pb2.DrainedResponse()

    async def Retire(
        self, request: relay_pb2.RetireRequest, context: Context
    ) -> relay_pb2.RetireResponse:
        await asyncio.shield(self._retire(request.graceful))
        return relay_pb2.RetireResponse()
