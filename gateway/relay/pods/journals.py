"""What pods' journals are asked and told while their notes are looked after."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from gateway.errors import (
    BadRequest,
    Conflict,
    GatewayError,
    Gone,
    NotFound,
    Unavailable,
    Unsupported,
)
from gateway.keyring import Keyring
from gateway.launchers.notes import PodNotes
from gateway.launchers.protocol import Launcher
from gateway.model import TurnReport
from gateway.relay.links import Links, bearer, cancelling, translate
from gateway.relay.report import report
from gateway.relay.timing import STANDARD, Timing
from proto.relay.v1 import relay_pb2, relay_pb2_grpc

Metadata = tuple[tuple[str, str], ...]


class Refused(GatewayError):
    """The agent will never take this command; the message is the agent's."""


class Journals:
    """One call each, within `submit_s`; every method raises Unavailable when there is no answer."""

    def __init__(
        self, launcher: Launcher, links: Links, keyring: Keyring, *, timing: Timing = STANDARD
    ) -> None:
        self._launcher = launcher
        self._links = links
        self._keyring = keyring
        self._timing = timing

    async def submit(self, pod: PodNotes, submit: relay_pb2.SubmitRequest) -> bool:
        """Hand over a command that waited. False: its request_id stands for another one.

        Raises:
            Refused: a field is wrong, its backend cannot do it, or what it replies to was
                never asked, is answered, or waits no more.
            Exhausted: it takes no more for now.
            NotFound: the launcher knows no such agent any more.
        """
        submit.waited = True
        try:
            async with self._service(pod) as (service, metadata):
                answer = await service.Submit(
                    submit, metadata=metadata, timeout=self._timing.submit_s
                )
        except (BadRequest, Unsupported, _Unknown, Conflict, Gone) as error:
            raise Refused(str(error)) from error
        return answer.result != relay_pb2.SubmitResponse.RESULT_CONFLICT

    async def drained(self, pod: PodNotes) -> None:
        """Nothing waits outside the journal any more. Repeating it does no harm."""
        request = relay_pb2.DrainedRequest(pod_uid=pod.pod_uid)
        async with self._service(pod) as (service, metadata):
            await service.Drained(request, metadata=metadata, timeout=self._timing.submit_s)

    async def turn(self, pod: PodNotes, request_id: str) -> TurnReport | None:
        """What the journal says of it; None: it does not know it."""
        request = relay_pb2.TurnsRequest(request_id=request_id)
        try:
            async with self._service(pod) as (service, metadata):
                told = await service.Turns(
                    request, metadata=metadata, timeout=self._timing.submit_s
                )
        except _Unknown:
            return None
        if [turn.request_id for turn in told.turns] != [request_id]:
            raise Unavailable(f"agent {pod.agent_id} does not say what became of {request_id}")
        return report(told.turns[0])

    @asynccontextmanager
    async def _service(
        self, pod: PodNotes
    ) -> AsyncIterator[tuple["relay_pb2_grpc.RelayServiceAsyncStub", Metadata]]:
        target = await self._launcher.reach(pod.agent_id, timeout_s=self._timing.submit_s)
        token = self._keyring.token(pod.agent_id, "relay", key_id=pod.key_id)
        async with self._links.to(target) as link:
            try:
                yield link.relay, bearer(token)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    raise _Unknown(error.details() or "the journal does not know it") from error
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    await self._links.renew(link)
                raise translate(error, pod.agent_id) from error
            except asyncio.CancelledError as error:
                if cancelling():
                    raise
                raise Unavailable(f"agent {pod.agent_id} broke off") from error


class _Unknown(NotFound):
    """The journal's answer, not the launcher's."""
