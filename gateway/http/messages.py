"""Commands to an agent: messages and interrupts. Each is durable when it is answered."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.attachments import Attachments, files_of
from gateway.http.commands import (
    IDEMPOTENCY_KEY,
    REPLAYED,
    Command,
    Commands,
    repeat,
    request_id_of,
)
from gateway.http.delivery import clear_options
from gateway.http.forms import Content, RequestId, plain
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.http.policy import PolicyBody, policy_of
from gateway.launchers.protocol import Launcher

TimeoutS = Annotated[
    float, Meta(gt=0, le=86400, description="Limit of the turn's running time in seconds")
]


class SendMessage(Command, frozen=True, kw_only=True):
    """A prompt; its turn is queued behind those that came before."""

    content: Content
    timeout_s: TimeoutS | UnsetType = UNSET
    policy: PolicyBody | UnsetType = UNSET
    attachments: Attachments | UnsetType = UNSET
    when: (
        Annotated[
            Literal["queue", "now"],
            Meta(description="now: into the running turn, or in its place; else it waits"),
        ]
        | UnsetType
    ) = UNSET


class Interrupt(Command, frozen=True, kw_only=True):
    """Ends a turn: the running one, or `target`."""

    target_turn: RequestId | UnsetType = msgspec.field(name="target", default=UNSET)


class MessageAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The message is durable; everything else comes to the webhook, or is read back."""

    request_id: str
    agent_id: str
    status: Literal["processing"] = "processing"


class InterruptAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The interrupt is durable; its own final comes to its webhook, or is read back."""

    request_id: str
    agent_id: str
    status: Literal["interrupting"] = "interrupting"


_EXAMPLE = {
    "webhook_url": "http://127.0.0.1:9000/webhook",
    "webhook_secret": "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMDE=",
}
_DELIVERY = {"kinds": ["text", "tool.*"], "batch": {"max_events": 16, "max_wait_ms": 200}}
_REQUEST_ID, _AGENT_ID = "req_0123456789abcdef", "agt-5d0c9e9b7f3a41c8"


class MessagesResource:
    def __init__(self, launcher: Launcher, commands: Commands) -> None:
        self._launcher = launcher
        self._commands = commands

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="POST",
                path=f"{ONE}/messages",
                name="sendMessage",
                summary="Send a message; its events go to the webhook, if one is given",
                handler=self._send,
                query=OwnerQuery,
                body=SendMessage,
                body_example={"content": "Say hello", **_EXAMPLE, "delivery": _DELIVERY},
                reads=(IDEMPOTENCY_KEY,),
                answers={
                    202: Answer(
                        what="It is durable",
                        model=MessageAccepted,
                        example=MessageAccepted(request_id=_REQUEST_ID, agent_id=_AGENT_ID),
                        headers=REPLAYED,
                    )
                },
                errors=(404, 409, 422, 429),
            ),
            Operation(
                method="POST",
                path=f"{ONE}/interrupt",
                name="interrupt",
                summary="End a turn",
                handler=self._interrupt,
                query=OwnerQuery,
                body=Interrupt,
                body_example=_EXAMPLE,
                reads=(IDEMPOTENCY_KEY,),
                answers={
                    202: Answer(
                        what="It is durable",
                        model=InterruptAccepted,
                        example=InterruptAccepted(request_id=_REQUEST_ID, agent_id=_AGENT_ID),
                        headers=REPLAYED,
                    )
                },
                errors=(404, 409, 429),
            ),
        ]

    async def _send(self, call: Call[OwnerQuery, SendMessage]) -> Response:
        request_id = request_id_of(call)
        target, files = call.body.target(), files_of(call.body.attachments)
        agent = await own_agent(self._launcher, call)
        timeout_s = call.body.timeout_s
        accepted = await self._commands.message(
            agent,
            request_id,
            plain(call.body.content),
            timeout_ms=0 if timeout_s is UNSET else math.ceil(timeout_s * 1000),
            policy=policy_of(call.body.policy),
            files=files,
            now=call.body.when == "now",
            target=target,
            delivery=clear_options(call.body.delivery),
        )
        answer = MessageAccepted(request_id=accepted.request_id, agent_id=agent.agent_id)
        return json_response(answer, 202, repeat(accepted))

    async def _interrupt(self, call: Call[OwnerQuery, Interrupt]) -> Response:
        request_id = request_id_of(call)
        target = call.body.target()
        agent = await own_agent(self._launcher, call)
        accepted = await self._commands.interrupt(
            agent,
            request_id,
            turn=plain(call.body.target_turn),
            target=target,
            delivery=clear_options(call.body.delivery),
        )
        answer = InterruptAccepted(request_id=accepted.request_id, agent_id=agent.agent_id)
        return json_response(answer, 202, repeat(accepted))
