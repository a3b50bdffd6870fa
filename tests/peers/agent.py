"""An agent: a real gRPC server that plays RelayService and GetStatus by a test's script."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc

from proto.agent.v1 import agent_pb2, agent_pb2_grpc
from proto.relay.v1 import relay_pb2, relay_pb2_grpc
from tests.peers.noticed import Noticed

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Lacks:
    """The answer of a runtime whose backend cannot do it."""

    capability: str


class PeerRelay:
    """One stream of a gateway: what came up, and what the test sends down.

    `stays`: does not end the stream when the gateway closes its side. `reads`: while it is
    set, what comes up is read.
    """

    def __init__(self, noticed: Noticed) -> None:
        self.ups: list[relay_pb2.RelayUp] = []
        self.ended = False
        self.stays = False
        self.reads = asyncio.Event()
        self.reads.set()
        self._noticed = noticed
        self._downs: asyncio.Queue[relay_pb2.RelayDown | grpc.StatusCode] = asyncio.Queue()

    def greet(self, agent_id: str) -> None:
        """For an agent that has not greeted by itself."""
        hello = relay_pb2.Hello(agent_id=agent_id)
        self._downs.put_nowait(relay_pb2.RelayDown(hello=hello))

    def open_turn(
        self,
        request_id: str,
        ticket: bytes,
        *,
        generation: int = 1,
        attempts: int = 0,
        failing_ms: int = 0,
        age_ms: int = 0,
    ) -> None:
        turn = relay_pb2.OpenTurn(
            request_id=request_id,
            ticket=ticket,
            generation=generation,
            attempts=attempts,
            failing_ms=failing_ms,
            age_ms=age_ms,
        )
        self._downs.put_nowait(relay_pb2.RelayDown(turn=turn))

    def events(self, *events: agent_pb2.AgentResponse) -> None:
        """One list."""
        self._downs.put_nowait(relay_pb2.RelayDown(events=relay_pb2.Events(events=events)))

    def idle(self) -> None:
        self._downs.put_nowait(relay_pb2.RelayDown(idle=relay_pb2.Idle()))

    def end(self, code: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        """End the stream with that status, after what was sent before."""
        self._downs.put_nowait(code)

    @property
    def acks(self) -> list[tuple[str, int, int]]:
        """(request_id, generation, seq), in the order they came."""
        acks = (up.ack for up in self.ups if up.HasField("ack"))
        return [(ack.request_id, ack.generation, ack.seq) for ack in acks]

    def marks(self, name: str) -> list[Any]:
        """All `reject`, `failed`, `park`, `abandon` or `alive` that came."""
        return [getattr(up, name) for up in self.ups if up.WhichOneof("message") == name]

    async def marked(self, name: str, count: int = 1) -> list[Any]:
        """The same, once there are so many."""
        await self.until(lambda: len(self.marks(name)) >= count)
        return self.marks(name)

    async def acked(self, request_id: str, seq: int) -> None:
        """Wait until that event is acknowledged."""
        await self.until(lambda: any(a[0] == request_id and a[2] >= seq for a in self.acks))

    async def sent(self) -> None:
        """Wait until nothing is to be sent any more, or the stream has ended."""
        await self.until(lambda: self._downs.empty() or self.ended)

    async def until(self, holds: Any) -> None:
        await self._noticed.until(holds)

    async def read(self, requests: AsyncIterator[relay_pb2.RelayUp]) -> None:
        try:
            async for up in requests:
                self.ups.append(up)
                self._noticed.tell()
                await self.reads.wait()
        finally:
            self.ended = True
            self._noticed.tell()
            if not self.stays:
                self._downs.put_nowait(grpc.StatusCode.OK)

    async def next_down(self) -> relay_pb2.RelayDown | grpc.StatusCode:
        down = await self._downs.get()
        self._noticed.tell()
        return down


class ScriptedAgent(relay_pb2_grpc.RelayServiceServicer, agent_pb2_grpc.AgentServiceServicer):
    """`submit_answers`: one a call, a response or a status; the last one stays.

    `submit_gate`: they come once it is set. `drained`: what it greets with; `drained_as`: what
    it was told.
    `replay`: what each Replay tells, list by list; a status ends it, `hangs` is waited for.
    """

    def __init__(self, agent_id: str) -> None:
        self.agent_id = agent_id
        self.greets = True
        self.refuses: grpc.StatusCode | None = None
        self.tokens: list[str] = []
        self.token = ""
        self.submits: list[relay_pb2.SubmitRequest] = []
        self.retires: list[relay_pb2.RetireRequest] = []
        self.retire_answer: grpc.StatusCode | None = None
        self.submit_answers: list[relay_pb2.SubmitResponse | grpc.StatusCode | Lacks | None] = [
            relay_pb2.SubmitResponse(result=relay_pb2.SubmitResponse.RESULT_ACCEPTED)
        ]
        self.submit_gate: asyncio.Event | None = None
        self.drained = ""
        self.drained_as: list[str] = []
        self.turns: list[relay_pb2.Turn] = []
        self.replay: list[list[agent_pb2.AgentResponse] | grpc.StatusCode | asyncio.Event] = []
        self.replays: list[relay_pb2.ReplayRequest] = []
        self.replays_ended = 0
        self.redeliveries: list[relay_pb2.RedeliverRequest] = []
        self.redeliver_answer: relay_pb2.RedeliverResponse | grpc.StatusCode = (
            relay_pb2.RedeliverResponse(generation=2, relay_attached=True)
        )
        self.diffs: list[str] = []
        self.diff_answer: agent_pb2.DiffResponse | grpc.StatusCode = agent_pb2.DiffResponse()
        self.status = agent_pb2.GetStatusResponse(agent_id=agent_id)
        self.hangs = asyncio.Event()
        self.relays: list[PeerRelay] = []
        self.attempts = 0
        self.noticed = Noticed()
        self.target = ""
        self._server: grpc.aio.Server | None = None

    @classmethod
    def playing(cls, agent_id: str) -> Self:
        """Makes one; what no test needs of the services stays UNIMPLEMENTED."""
        return cls(agent_id)

    async def __aenter__(self) -> Self:
        # Else what is taken from a peer before it is read grows to megabytes.
        self._server = grpc.aio.server(options=[("grpc.http2.bdp_probe", 0)])
        relay_pb2_grpc.add_RelayServiceServicer_to_server(self, self._server)
        agent_pb2_grpc.add_AgentServiceServicer_to_server(self, self._server)
        port = self._server.add_insecure_port(self.target or "127.0.0.1:0")
        self.target = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self.hangs.set()
        await self._server.stop(0)

    async def relay(self, number: int = 1) -> PeerRelay:
        """The stream that was attached as the first, second, ..., once it is."""
        await self.noticed.until(lambda: len(self.relays) >= number)
        return self.relays[number - 1]

    async def Submit(
        self, request: relay_pb2.SubmitRequest, context: Context
    ) -> relay_pb2.SubmitResponse:
        await self._check(context)
        self.submits.append(request)
        self.noticed.tell()
        if self.submit_gate is not None:
            await self.submit_gate.wait()
        answer = self.submit_answers[0]
        if len(self.submit_answers) > 1:
            self.submit_answers.pop(0)
        if answer is None:
            await self.hangs.wait()
            return relay_pb2.SubmitResponse()
        if isinstance(answer, grpc.StatusCode):
            await context.abort(answer, f"scripted {answer.name}")
        if isinstance(answer, Lacks):
            lacks = (("forge-capability", answer.capability),)
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"it has no {answer.capability!r}", lacks
            )
        if answer.result == relay_pb2.SubmitResponse.RESULT_ACCEPTED:
            pending = relay_pb2.DELIVERY_STATE_PENDING
            taken = relay_pb2.Turn(request_id=request.request.request_id, delivery=pending)
            self.turns.append(taken)
        return answer

    async def Diff(
        self, request: agent_pb2.DiffRequest, context: Context
    ) -> agent_pb2.DiffResponse:
        await self._check(context)
        self.diffs.append(request.request_id)
        if isinstance(self.diff_answer, grpc.StatusCode):
            await context.abort(self.diff_answer, f"scripted {self.diff_answer.name}")
        return self.diff_answer

    async def Retire(
        self, request: relay_pb2.RetireRequest, context: Context
    ) -> relay_pb2.RetireResponse:
        await self._check(context)
        self.retires.append(request)
        if self.retire_answer is not None:
            await context.abort(self.retire_answer, "scripted refusal")
        return relay_pb2.RetireResponse()

    async def Drained(
        self, request: relay_pb2.DrainedRequest, context: Context
    ) -> relay_pb2.DrainedResponse:
        await self._check(context)
        self.drained = request.pod_uid
        self.drained_as.append(request.pod_uid)
        self.noticed.tell()
        return relay_pb2.DrainedResponse()

    async def Turns(
        self, request: relay_pb2.TurnsRequest, context: Context
    ) -> relay_pb2.TurnsResponse:
        await self._check(context)
        asked = [turn for turn in self.turns if request.request_id in ("", turn.request_id)]
        if request.request_id and not asked:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no turn {request.request_id}")
        return relay_pb2.TurnsResponse(turns=asked)

    async def Redeliver(
        self, request: relay_pb2.RedeliverRequest, context: Context
    ) -> relay_pb2.RedeliverResponse:
        await self._check(context)
        self.redeliveries.append(request)
        if isinstance(self.redeliver_answer, grpc.StatusCode):
            await context.abort(self.redeliver_answer, "scripted refusal")
        return self.redeliver_answer

    async def Replay(
        self, request: relay_pb2.ReplayRequest, context: Context
    ) -> AsyncIterator[relay_pb2.ReplayResponse]:
        await self._check(context)
        self.replays.append(request)
        try:
            for told in self.replay:
                if isinstance(told, asyncio.Event):
                    await told.wait()
                elif isinstance(told, list):
                    yield relay_pb2.ReplayResponse(events=told)
                else:
                    await context.abort(told, "scripted end")
        finally:
            self.replays_ended += 1
            self.noticed.tell()

    async def GetStatus(
        self,
        request: agent_pb2.GetStatusRequest,
        context: Context,
    ) -> agent_pb2.GetStatusResponse:
        await self._check(context)
        if not self.greets:
            await self.hangs.wait()
        return self.status

    async def Relay(
        self, request_iterator: AsyncIterator[relay_pb2.RelayUp], context: Context
    ) -> AsyncIterator[relay_pb2.RelayDown]:
        self.attempts += 1
        self.noticed.tell()
        await self._check(context)
        if self.refuses is not None:
            await context.abort(self.refuses, "scripted refusal")
        relay = PeerRelay(self.noticed)
        self.relays.append(relay)
        self.noticed.tell()
        if self.greets:
            hello = relay_pb2.Hello(agent_id=self.agent_id, drained=self.drained)
            yield relay_pb2.RelayDown(hello=hello)
        reading = asyncio.create_task(relay.read(request_iterator))
        try:
            while isinstance(down := await relay.next_down(), relay_pb2.RelayDown):
                yield down
        finally:
            reading.cancel()
            await asyncio.wait({reading})
        if down is not grpc.StatusCode.OK:
            await context.abort(down, "scripted end")

    async def _check(self, context: Context) -> None:
        metadata = dict(context.invocation_metadata() or ())
        self.tokens.append(str(metadata.get("authorization", "")).removeprefix("Bearer "))
        if self.token and self.tokens[-1] != self.token:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the token is wrong")
