"""What all commands to an agent have in common. Each is durable when it is answered."""

import secrets
from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import UNSET, UnsetType

from gateway.http.bodies import Body
from gateway.http.delivery import DeliveryOptions, target_of
from gateway.http.forms import RequestId, WebhookSecret, WebhookUrl, plain
from gateway.http.operations import Call, Header
from gateway.http.problems import Problem
from gateway.model import Accepted, Agent, Delivery, File, Policy, Reply, Target

IDEMPOTENCY_KEY = Header(
    name="Idempotency-Key",
    form=RequestId,
    what="The same as request_id; a repeat is answered like the first time",
)
REPLAYED = {
    "Idempotent-Replayed": {
        "schema": {"type": "string", "const": "true"},
        "description": "It had been accepted before",
    }
}


class Commands(Protocol):
    """What makes commands durable (`gateway.relay.accept`)."""

    async def message(
        self,
        agent: Agent,
        request_id: str,
        content: str,
        *,
        timeout_ms: int = 0,
        policy: Policy | None = None,
        files: Sequence[File] = (),
        now: bool = False,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted: ...

    async def interrupt(
        self,
        agent: Agent,
        request_id: str,
        *,
        turn: str = "",
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted: ...

    async def new_session(
        self,
        agent: Agent,
        request_id: str,
        *,
        fork: bool,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted: ...

    async def set_model(self, agent: Agent, request_id: str, model: str) -> Accepted: ...

    async def set_permission_mode(self, agent: Agent, request_id: str, mode: str) -> Accepted: ...

    async def set_policy(self, agent: Agent, request_id: str, policy: Policy) -> Accepted: ...

    async def reply(
        self,
        agent: Agent,
        request_id: str,
        reply: Reply,
        *,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted: ...


class Command(Body, frozen=True, kw_only=True):
    """What all commands say: where their events go, how, and their id.

    Without `webhook_url` they go nowhere and are read back.
    """

    webhook_url: WebhookUrl | UnsetType = UNSET
    webhook_secret: WebhookSecret | UnsetType = UNSET
    request_id: RequestId | UnsetType = UNSET
    delivery: DeliveryOptions | UnsetType = UNSET

    def target(self) -> Target | None:
        """Raises BadRequest."""
        return target_of(plain(self.webhook_url), plain(self.webhook_secret), self.delivery)


def new_request_id() -> str:
    return f"req_{secrets.token_hex(8)}"


def request_id_of(call: Call[Any, Any]) -> str:
    """From the body or the header, else a new one. Raises Problem 400."""
    given = plain(call.body.request_id)
    key = IDEMPOTENCY_KEY.value(call.headers)
    if given and key and given != key:
        raise Problem(400, f"request_id and {IDEMPOTENCY_KEY.name} differ; send one of them")
    request_id = given or key or new_request_id()
    call.trace.request_id = request_id
    return request_id


def repeat(accepted: Accepted) -> dict[str, str]:
    return {"Idempotent-Replayed": "true"} if accepted.replayed else {}
