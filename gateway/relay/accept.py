"""Accepting a command: it is in the agent's journal when this returns, or on its pod."""

import asyncio
import contextlib
from collections.abc import Sequence

import grpc
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay
from tenacity import wait_random_exponential as backoff

from gateway.delivery.guard import Guard
from gateway.delivery.ticket import seal
from gateway.errors import BadRequest, Conflict, GatewayError, Unavailable
from gateway.keyring import Keyring
from gateway.launchers.protocol import Launcher
from gateway.model import Accepted, Agent, Delivery, File, Policy, Reply, Target
from gateway.relay.attach import Attachments
from gateway.relay.files import Files
from gateway.relay.links import Links, bearer, translate
from gateway.relay.pods.waiting import Waiting
from gateway.relay.timing import STANDARD, Timing
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2

_SHORTEST_CALL_S = 0.1


class _Going(Unavailable):
    """The runtime is on its way out or not up yet: the next one may take it."""


class Accept:
    """Hands commands to agents, and sees to it that what they answer is relayed."""

    def __init__(
        self,
        launcher: Launcher,
        links: Links,
        keyring: Keyring,
        attachments: Attachments,
        *,
        guard: Guard,
        files: Files,
        waiting: Waiting | None = None,
        timing: Timing = STANDARD,
    ) -> None:
        """`waiting`: where agents may be sent messages before they were ever ready."""
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._attachments = attachments
        self._guard = guard
        self._waiting = waiting
        self._files = files
        self._timing = timing

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
    ) -> Accepted:
        """A message for the agent's queue, or before it. `timeout_ms` 0: the agent's own limit.

        `target` None: its events are only read back.

        Raises:
            NotFound: the agent is gone.
            BadRequest: the agent refuses a field, or the guard the address; names it.
            Conflict: the request_id stands for other content.
            Unsupported: its backend cannot do it.
            Exhausted: the agent takes no more for now.
            Unavailable: it does not answer; repeating the same is safe.
        """
        attachments = await self._files.collect(files)
        try:
            sent = agent_pb2.SendMessageRequest(
                content=content,
                attachments=attachments,
                timeout_ms=timeout_ms,
                policy=_told_policy(policy) if policy else None,
                when="now" if now else "",
            )
        except ValueError as error:
            raise BadRequest(
                "content: it is not Unicode text, or timeout_s out of range"
            ) from error
        request = agent_pb2.AgentRequest(request_id=request_id, send_message=sent)
        return await self._command(agent, request, target, delivery)

    async def interrupt(
        self,
        agent: Agent,
        request_id: str,
        *,
        turn: str = "",
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        """Ends the named turn, or the running one; itself a short turn. Raises as `message`."""
        interrupt = agent_pb2.InterruptRequest(target=turn)
        request = agent_pb2.AgentRequest(request_id=request_id, interrupt=interrupt)
        return await self._command(agent, request, target, delivery)

    async def new_session(
        self,
        agent: Agent,
        request_id: str,
        *,
        fork: bool,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        """Another conversation, which begins empty or as this one. Raises as `message`."""
        asked = agent_pb2.NewSessionRequest(fork=fork)
        request = agent_pb2.AgentRequest(request_id=request_id, new_session=asked)
        return await self._command(agent, request, target, delivery)

    async def set_model(self, agent: Agent, request_id: str, model: str) -> Accepted:
        """For the next message on. Raises as `message`; BadRequest names models that are known."""
        asked = agent_pb2.SetModelRequest(model=model)
        request = agent_pb2.AgentRequest(request_id=request_id, set_model=asked)
        return await self._command(agent, request, None, None)

    async def set_permission_mode(self, agent: Agent, request_id: str, mode: str) -> Accepted:
        """For the next message on. Raises as `message`."""
        asked = agent_pb2.SetPermissionModeRequest(mode=mode)
        request = agent_pb2.AgentRequest(request_id=request_id, set_permission_mode=asked)
        return await self._command(agent, request, None, None)

    async def set_policy(self, agent: Agent, request_id: str, policy: Policy) -> Accepted:
        """In place of the agent's, for the next message on. Raises as `message`."""
        asked = agent_pb2.SetPolicyRequest(policy=_told_policy(policy))
        request = agent_pb2.AgentRequest(request_id=request_id, set_policy=asked)
        return await self._command(agent, request, None, None)

    async def reply(
        self,
        agent: Agent,
        request_id: str,
        reply: Reply,
        *,
        target: Target | None,
        delivery: Delivery | None = None,
    ) -> Accepted:
        """Answers what the agent asked; itself a short turn. Raises as `message`, and:

        Raises:
            NotFound: there never was such a prompt.
            Conflict: it has been answered.
            Gone: it waits no more.
        """
        try:
            told = agent_pb2.ReplyRequest(
                prompt_id=reply.prompt_id,
                decision=reply.decision,
                message=reply.message,
                answers=[agent_pb2.Chosen(answers=chosen) for chosen in reply.answers],
            )
        except ValueError as error:
            raise BadRequest("message or answers: they are not Unicode text") from error
        request = agent_pb2.AgentRequest(request_id=request_id, reply=told)
        return await self._command(agent, request, target, delivery)

    async def _command(
        self,
        agent: Agent,
        request: agent_pb2.AgentRequest,
        target: Target | None,
        delivery: Delivery | None,
    ) -> Accepted:
        request_id = request.request_id
        submit = relay_pb2.SubmitRequest(request=request)
        if delivery is not None:
            options = relay_pb2.DeliveryOptions(
                kinds=delivery.kinds, coalesce_ms=delivery.coalesce_ms
            )
            submit.delivery.CopyFrom(options)
        if target is not None:
            self._guard.admit(target.webhook_url)
            submit.ticket = seal(
                self._keyring, agent_id=agent.agent_id, request_id=request_id, target=target
            )
        if self._waiting is not None and (
            taken := await self._waiting.take(agent.agent_id, submit)
        ):
            return Accepted(request_id=request_id, replayed=taken == "repeated")
        response = await self._submit(agent, submit)
        if response.result == relay_pb2.SubmitResponse.RESULT_CONFLICT:
            raise Conflict(f"request_id: {request_id} was used for other content")
        replayed = response.result == relay_pb2.SubmitResponse.RESULT_DUPLICATE
        if submit.ticket and not response.relay_attached:
            if replayed:  # it may have been settled long ago
                self._attachments.ensure(agent.agent_id)
            else:
                self._attachments.expect(agent.agent_id, request_id, submit.ticket)
        return Accepted(request_id=request_id, replayed=replayed)

    async def _submit(
        self, agent: Agent, submit: relay_pb2.SubmitRequest
    ) -> relay_pb2.SubmitResponse:
        """Once as a rule; again, within the budget, while the runtime is being replaced."""
        target = await self._launcher.reach(agent.agent_id, timeout_s=self._timing.reach_s)
        now = asyncio.get_running_loop().time
        ends_s = now() + self._timing.submit_s

        async def again() -> relay_pb2.SubmitResponse:
            if self._waiting is not None:
                with contextlib.suppress(GatewayError, TimeoutError):
                    async with asyncio.timeout_at(ends_s):
                        await self._waiting.insist(agent.agent_id)
            left_s = max(ends_s - now(), _SHORTEST_CALL_S)
            target = await self._launcher.reach(agent.agent_id, timeout_s=left_s)
            left_s = max(ends_s - now(), _SHORTEST_CALL_S)
            return await self._call(agent, target, submit, timeout_s=left_s)

        try:
            return await self._call(agent, target, submit, timeout_s=self._timing.submit_s)
        except _Going:
            retrying = AsyncRetrying(
                retry=retry_if_exception_type(_Going),
                stop=stop_after_delay(self._timing.submit_s),
                wait=backoff(multiplier=0.02, max=0.3),
                reraise=True,
            )
            return await retrying(again)

    async def _call(
        self, agent: Agent, target: str, submit: relay_pb2.SubmitRequest, *, timeout_s: float
    ) -> relay_pb2.SubmitResponse:
        token = self._keyring.token(agent.agent_id, "relay", key_id=agent.key_id)
        async with self._links.to(target) as link:
            try:
                return await link.relay.Submit(submit, metadata=bearer(token), timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                match error.code():
                    case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.FAILED_PRECONDITION:
                        raise _Going(f"agent {agent.agent_id} is not up now") from error
                    case grpc.StatusCode.DEADLINE_EXCEEDED:
                        await self._links.renew(link)
                raise translate(error, agent.agent_id) from error


def _told_policy(policy: Policy) -> agent_pb2.Policy:
    return agent_pb2.Policy(
        rules=[agent_pb2.Rule(tool=tool, action=action) for tool, action in policy.rules],
        timeout_ms=policy.timeout_ms,
        on_timeout=policy.on_timeout,
    )
