"""What else is said to an agent's runtime: how are you, and goodbye."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Literal

import grpc
import msgspec

from gateway.delivery.payload import moment
from gateway.errors import GatewayError, NotFound, Unavailable
from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, LiveStatus, OpenPrompt, Policy, Usage
from gateway.relay.attach import Attachments
from gateway.relay.links import Links, bearer, translate
from gateway.relay.timing import STANDARD, Timing
from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)

_STATES: dict[int, Literal["idle", "processing", "error"]] = {
    agent_pb2.AGENT_STATE_IDLE: "idle",
    agent_pb2.AGENT_STATE_PROCESSING: "processing",
    agent_pb2.AGENT_STATE_ERROR: "error",
}


class Lifecycle:
    """Status, tokens and the end of agents. Owns the retirements under way."""

    def __init__(
        self,
        launcher: Launcher,
        links: Links,
        attachments: Attachments,
        *,
        keyring: Keyring,
        timing: Timing = STANDARD,
    ) -> None:
        self._launcher = launcher
        self._links = links
        self._attachments = attachments
        self._keyring = keyring
        self._timing = timing
        self._retirements: set[asyncio.Task[None]] = set()

    def client_token(self, agent: Agent) -> str:
        """For direct gRPC clients. Raises KeyringError when the agent's key is gone."""
        return self._keyring.token(agent.agent_id, "client", key_id=agent.key_id)

    async def status(self, agent: Agent) -> LiveStatus:
        """What the agent says of itself.

        Raises:
            Unavailable, NotFound: it does not answer in time, or is gone.
        """
        told = await self._ask(agent, agent_pb2.GetStatusRequest())
        return LiveStatus(
            session_id=told.session_id,
            state=_STATES.get(told.state, "unknown"),
            latest_seq=told.latest_seq,
            current_model=told.current_model,
            permission_mode=told.permission_mode,
            uptime_ms=told.uptime_ms,
            capabilities=tuple(told.capabilities),
            usage=_usage(told.usage) if told.HasField("usage") else None,
            policy=_policy(told.policy) if told.HasField("policy") else None,
        )

    async def prompts(self, agent: Agent) -> Sequence[OpenPrompt]:
        """What it has asked and nobody has answered, oldest first. Raises as `status`."""
        told = await self._ask(agent, agent_pb2.GetStatusRequest(prompts=True))
        return [
            OpenPrompt(
                prompt_id=prompt.prompt_id,
                request_id=prompt.request_id,
                kind="question" if prompt.kind == "question" else "permission",
                data=prompt.data_json,
                asked_at=moment(prompt.asked_ms),
                expires_at=moment(prompt.expires_ms),
            )
            for prompt in told.prompts
        ]

    async def _ask(
        self, agent: Agent, request: agent_pb2.GetStatusRequest
    ) -> agent_pb2.GetStatusResponse:
        target = await self._launcher.reach(agent.agent_id, timeout_s=self._timing.status_s)
        token = self.client_token(agent)
        async with self._links.to(target) as link:
            try:
                return await agent_pb2_grpc.AgentServiceStub(link.channel).GetStatus(
                    request, metadata=bearer(token), timeout=self._timing.status_s
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._links.renew(link)
                raise translate(error, agent.agent_id) from error

    async def delete(self, agent_id: str, *, graceful: bool) -> None:
        """Make the agent be gone for the API, then tell its runtime to retire.

        Waits a moment for the retirement, with `graceful` as long as a running
        turn may take to end by itself; it goes on by itself after that. What is
        undelivered is still delivered.

        Raises:
            NotFound: there is none, or it has been deleted.
        """
        agent = await self._launcher.get(agent_id)
        await self._launcher.delete(agent_id)
        task = asyncio.create_task(
            self._retire(agent, graceful=graceful), name=f"retire-{agent_id}"
        )
        self._retirements.add(task)
        task.add_done_callback(self._retirements.discard)
        wait_s = self._timing.graceful_s if graceful else self._timing.goodbye_s
        await asyncio.wait({task}, timeout=wait_s)

    async def close(self) -> None:
        """Leave the retirements under way to the agents, which have been told."""
        retirements = list(self._retirements)
        for task in retirements:
            task.cancel()
        if retirements:
            await asyncio.wait(retirements)

    async def _retire(self, agent: Agent, *, graceful: bool) -> None:
        """A runtime that was told nudges if it has something to deliver and no relay."""
        agent_id = agent.agent_id
        try:
            target = await self._launcher.reach(agent_id, timeout_s=self._timing.reach_s)
            token = self._keyring.token(agent_id, "relay", key_id=agent.key_id)
            async with self._links.to(target) as link:
                await link.relay.Retire(
                    relay_pb2.RetireRequest(graceful=graceful),
                    metadata=bearer(token),
                    timeout=self._timing.retire_s,
                )
        except NotFound:
            pass  # it was not running and has nothing to deliver
        except (GatewayError, grpc.aio.AioRpcError) as error:
            # The deletion is durable: a runtime that starts again sees it by itself.
            reason = error.code().name if isinstance(error, grpc.aio.AioRpcError) else str(error)
            log.warning("retire_unanswered", extra={"agent": agent_id, "reason": reason})
            self._attachments.ensure(agent_id)
        try:
            await self._launcher.retired(agent_id)
        except GatewayError as error:
            log.warning("end_postponed", extra={"agent": agent_id, "reason": str(error)})


def _policy(told: agent_pb2.Policy) -> Policy:
    """Raises Unavailable where it says what no gateway of this version knows."""
    try:
        return msgspec.convert(
            {
                "rules": [(rule.tool, rule.action) for rule in told.rules],
                "timeout_ms": told.timeout_ms,
                "on_timeout": told.on_timeout,
            },
            Policy,
        )
    except msgspec.ValidationError as error:
        raise Unavailable(f"the agent tells of a policy that is not understood: {error}") from error


def _usage(told: agent_pb2.Usage) -> Usage:
    return Usage(
        input_tokens=told.input_tokens,
        output_tokens=told.output_tokens,
        cost_usd=told.cost_usd if told.HasField("cost_usd") else None,
    )
