"""Conversations of an agent: beginning another one in the same workspace."""

from collections.abc import Sequence
from typing import Literal

import msgspec
from starlette.responses import Response

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.commands import (
    IDEMPOTENCY_KEY,
    REPLAYED,
    Command,
    Commands,
    repeat,
    request_id_of,
)
from gateway.http.delivery import clear_options
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher


class NewSession(Command, frozen=True, kw_only=True):
    """Waits for the messages before it; its final has the new `session_id`."""


class SessionAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """It is durable: messages after it belong to the new conversation."""

    request_id: str
    agent_id: str
    status: Literal["processing"] = "processing"


_ACCEPTED = {
    202: Answer(
        what="It is durable",
        model=SessionAccepted,
        example=SessionAccepted(request_id="req_0123456789abcdef", agent_id="agt-5d0c9e9b7f3a41c8"),
        headers=REPLAYED,
    )
}


class SessionsResource:
    def __init__(self, launcher: Launcher, commands: Commands) -> None:
        self._launcher = launcher
        self._commands = commands

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="POST",
                path=f"{ONE}/sessions",
                name="newSession",
                summary="Begin a fresh conversation in the same workspace",
                handler=self._begin,
                query=OwnerQuery,
                body=NewSession,
                body_example={},
                reads=(IDEMPOTENCY_KEY,),
                answers=_ACCEPTED,
                errors=(404, 409, 422, 429),
            ),
            Operation(
                method="POST",
                path=f"{ONE}/fork",
                name="forkSession",
                summary="Go on in a copy of the conversation",
                handler=self._fork,
                query=OwnerQuery,
                body=NewSession,
                body_example={},
                reads=(IDEMPOTENCY_KEY,),
                answers=_ACCEPTED,
                errors=(404, 409, 422, 429),
            ),
        ]

    async def _begin(self, call: Call[OwnerQuery, NewSession]) -> Response:
        return await self._submit(call, fork=False)

    async def _fork(self, call: Call[OwnerQuery, NewSession]) -> Response:
        return await self._submit(call, fork=True)

    async def _submit(self, call: Call[OwnerQuery, NewSession], *, fork: bool) -> Response:
        request_id, target = request_id_of(call), call.body.target()
        agent = await own_agent(self._launcher, call)
        accepted = await self._commands.new_session(
            agent,
            request_id,
            fork=fork,
            target=target,
            delivery=clear_options(call.body.delivery),
        )
        answer = SessionAccepted(request_id=accepted.request_id, agent_id=agent.agent_id)
        return json_response(answer, 202, repeat(accepted))
