"""Turns of an agent: what became of them, and having their events delivered again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.errors import NotFound
from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.bodies import Body
from gateway.http.delivery import target_of
from gateway.http.forms import RequestId, WebhookSecret, WebhookUrl, plain
from gateway.http.numbers import MAX_SEQ
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, DeliveryState, Outcome, Target, TurnPage, TurnReport, TurnState

PATH = f"{ONE}/turns"
TURN = f"{PATH}/{{request_id}}"


class Turns(Protocol):
    """What knows the turns of agents (`gateway.relay.readback`)."""

    async def turns(self, agent: Agent, *, before: str = "") -> TurnPage: ...

    async def turn(self, agent: Agent, request_id: str) -> TurnReport: ...

    async def redeliver(
        self,
        agent: Agent,
        request_id: str,
        *,
        from_seq: int = 0,
        target: Target | None = None,
        secret: str = "",
    ) -> int: ...


class Redeliver(Body, frozen=True, kw_only=True):
    """What is to change.

    Without `from_seq`: from the first event that is not delivered or was rejected.
    Without `webhook_url`: to where they went before, signed with `webhook_secret`
    if one is given, else as before. A new URL comes with its own secret, without
    one it is unsigned, and ends batches.
    """

    from_seq: Annotated[int, Meta(ge=1, le=MAX_SEQ)] | UnsetType = UNSET
    webhook_url: WebhookUrl | UnsetType = UNSET
    webhook_secret: WebhookSecret | UnsetType = UNSET


class TurnAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn. Seqs are 0 before there is an event; what does not apply is absent."""

    request_id: str
    state: TurnState
    outcome: Outcome | UnsetType = UNSET
    first_seq: int
    last_seq: int
    acknowledged_seq: Annotated[int, Meta(description="Up to here every event is settled")]
    delivery: Annotated[DeliveryState, Meta(description="`none`: it has no webhook")]
    generation: Annotated[int, Meta(description="Counts redeliveries, from 1")]
    attempts: Annotated[int, Meta(description="Of the next event, that have failed")] = 0
    next_attempt_at: datetime | UnsetType = UNSET
    last_status: Annotated[int, Meta(description="HTTP status of the last failure")] = 0
    last_error: str = ""
    rejected_seqs: Annotated[
        list[int], Meta(description="The first 100 that the receiver refused for good")
    ] = []
    created_at: datetime


class TurnsQuery(OwnerQuery, frozen=True, kw_only=True):
    """The newest 200 turns; `before`: the newest that came before that one."""

    before: RequestId | UnsetType = UNSET


class TurnList(msgspec.Struct, frozen=True, kw_only=True):
    """Turns, oldest first; `total` counts them. `more`: there are older ones."""

    turns: list[TurnAnswer]
    total: int
    more: bool


class Redelivering(msgspec.Struct, frozen=True, kw_only=True):
    """It is durable: deliveries go on from there once the attempt in flight has ended."""

    request_id: str
    agent_id: str
    generation: int
    status: Literal["redelivering"] = "redelivering"


_EXAMPLE = TurnAnswer(
    request_id="req_0123456789abcdef",
    state="ended",
    outcome="completed",
    first_seq=40,
    last_seq=44,
    acknowledged_seq=41,
    delivery="parked",
    generation=1,
    attempts=3,
    next_attempt_at=datetime(2026, 1, 2, 3, 5, 5, tzinfo=UTC),
    last_status=503,
    last_error="answered 503",
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


class TurnsResource:
    def __init__(self, launcher: Launcher, turns: Turns) -> None:
        self._launcher = launcher
        self._turns = turns

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path=PATH,
                name="listTurns",
                summary="List the turns of an agent: the newest, or older ones",
                handler=self._list,
                query=TurnsQuery,
                answers={
                    200: Answer(
                        what="Oldest first",
                        model=TurnList,
                        example=TurnList(turns=[_EXAMPLE], total=1, more=False),
                    )
                },
                errors=(404,),
            ),
            Operation(
                method="GET",
                path=TURN,
                name="getTurn",
                summary="Show a turn and how its delivery goes",
                handler=self._show,
                query=OwnerQuery,
                answers={200: Answer(what="The turn", model=TurnAnswer, example=_EXAMPLE)},
                errors=(404,),
            ),
            Operation(
                method="POST",
                path=f"{TURN}/redeliver",
                name="redeliver",
                summary="Deliver a turn's events again",
                handler=self._redeliver,
                query=OwnerQuery,
                body=Redeliver,
                body_example={"from_seq": 40},
                answers={
                    202: Answer(
                        what="It is durable",
                        model=Redelivering,
                        example=Redelivering(
                            request_id=_EXAMPLE.request_id,
                            agent_id="agt-5d0c9e9b7f3a41c8",
                            generation=2,
                        ),
                    )
                },
                errors=(404, 410, 429),
            ),
        ]

    async def _list(self, call: Call[TurnsQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        page = await self._turns.turns(agent, before=plain(call.query.before))
        answers = [_answer(report) for report in page.turns]
        return json_response(TurnList(turns=answers, total=len(answers), more=page.more))

    async def _show(self, call: Call[OwnerQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        return json_response(_answer(await self._turns.turn(agent, _request_id(call))))

    async def _redeliver(self, call: Call[OwnerQuery, Redeliver]) -> Response:
        asked = call.body
        url, secret = plain(asked.webhook_url), plain(asked.webhook_secret)
        agent = await own_agent(self._launcher, call)
        request_id = _request_id(call)
        generation = await self._turns.redeliver(
            agent,
            request_id,
            from_seq=0 if asked.from_seq is UNSET else asked.from_seq,
            target=target_of(url, secret) if url else None,
            secret=secret,
        )
        answer = Redelivering(request_id=request_id, agent_id=agent.agent_id, generation=generation)
        return json_response(answer, 202)


def _request_id(call: Call[Any, Any]) -> str:
    """Of the path. Raises NotFound where no turn can have such an id."""
    try:
        request_id = plain(RequestId.of(call.path["request_id"]))
    except ValueError as error:
        raise NotFound("there is no such turn") from error
    call.trace.request_id = request_id
    return request_id


def _answer(report: TurnReport) -> TurnAnswer:
    return TurnAnswer(
        request_id=report.request_id,
        state=report.state,
        outcome=report.outcome or UNSET,
        first_seq=report.first_seq,
        last_seq=report.last_seq,
        acknowledged_seq=report.acked_seq,
        delivery=report.delivery,
        generation=report.generation,
        attempts=report.attempts,
        next_attempt_at=report.next_attempt_at or UNSET,
        last_status=report.last_status,
        last_error=report.last_error,
        rejected_seqs=list(report.rejected_seqs),
        created_at=report.created_at,
    )
