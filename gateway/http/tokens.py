"""Tokens for clients that talk to an agent directly, by gRPC."""

from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta
from starlette.responses import Response

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.bodies import Nothing
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent

REACH_TIMEOUT_S = 5.0


class Tokens(Protocol):
    """What derives tokens (`gateway.relay.lifecycle`)."""

    def client_token(self, agent: Agent) -> str: ...


class GrpcToken(msgspec.Struct, frozen=True, kw_only=True):
    """How to call `agent.v1.AgentService` of one agent."""

    address: Annotated[str, Meta(description="The gRPC target")]
    token: Annotated[str, Meta(description="Sent as `authorization: Bearer TOKEN`")]

    def __repr__(self) -> str:
        return f"GrpcToken(address={self.address!r})"


_EXAMPLE = GrpcToken(
    address="unix:/tmp/forge-1000/356f1e8b06/9039e59b6f44f442.sock", token="6f1d" * 16
)


class TokensResource:
    def __init__(self, launcher: Launcher, tokens: Tokens) -> None:
        self._launcher = launcher
        self._tokens = tokens

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="POST",
                path=f"{ONE}/grpc-token",
                name="grpcToken",
                summary="Address and token for a direct gRPC client",
                handler=self._make,
                query=OwnerQuery,
                body=Nothing,
                body_example={},
                answers={
                    200: Answer(what="Where and with what", model=GrpcToken, example=_EXAMPLE)
                },
                errors=(404,),
            )
        ]

    async def _make(self, call: Call[OwnerQuery, Nothing]) -> Response:
        agent = await own_agent(self._launcher, call)
        address = await self._launcher.reach(agent.agent_id, timeout_s=REACH_TIMEOUT_S)
        token = self._tokens.client_token(agent)
        headers = {"Cache-Control": "no-store"}
        return json_response(GrpcToken(address=address, token=token), headers=headers)
