"""agent.v1 of a real runtime, as a direct client sees it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from agent_runtime.server.agent_service import MAX_STREAMS
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.peers.runtime import (
    CLIENT,
    Runtime,
    agent_stub,
    interrupt,
    message,
    relay_stub,
    submit,
)


async def responses(
    runtime: Runtime, *requests: agent_pb2.AgentRequest
) -> list[agent_pb2.AgentResponse]:
    """What comes on one stream that sends these and half-closes."""

    async def send() -> AsyncIterator[agent_pb2.AgentRequest]:
        for request in requests:
            yield request

    async with agent_stub(runtime) as stub:
        return [got async for got in stub.Connect(send(), metadata=CLIENT, timeout=30)]


async def test_a_message_gives_its_events_and_one_final(runtime: Runtime) -> None:
    """A client that half-closes at once gets everything, in order, up to the final."""
    got = await responses(runtime, message("r1", "echo one; echo two"))
    assert [r.seq for r in got] == [1, 2, 3]
    assert b"one" in got[0].event.event_json
    assert got[0].event.kind == "text.delta"
    assert got[-1].is_final
    assert got[-1].complete.success
    assert {r.request_id for r in got} == {"r1"}


async def test_commands_of_a_stream_do_not_wait_for_each_other(runtime: Runtime) -> None:
    """set_model and the unknown command are answered while the message runs."""
    set_model = agent_pb2.AgentRequest(
        request_id="m1", set_model=agent_pb2.SetModelRequest(model="x")
    )
    got = await responses(
        runtime,
        message("r1", "sleep 0.5; echo done"),
        set_model,
        agent_pb2.AgentRequest(request_id="u1"),
    )
    finals = [r.request_id for r in got if r.is_final]
    assert sorted(finals[:2]) == ["m1", "u1"]
    assert finals[2:] == ["r1"]
    unknown = next(r for r in got if r.request_id == "u1")
    assert unknown.error.code == "UNKNOWN_COMMAND"


async def test_a_repeat_is_replayed_and_a_conflict_told(runtime: Runtime) -> None:
    """The same id and content never runs twice; other content is refused by name."""
    first = await responses(runtime, message("r1", "echo $RANDOM$RANDOM"))
    again = await responses(runtime, message("r1", "echo $RANDOM$RANDOM"))
    other = await responses(runtime, message("r1", "echo other"))
    assert first == again
    assert [r.error.code for r in other] == ["CONFLICT"]


async def test_an_interrupt_by_stream(runtime: Runtime) -> None:
    """The interrupted turn's final has success false."""

    async def send() -> AsyncIterator[agent_pb2.AgentRequest]:
        yield message("r1", "echo begun; sleep 60")
        await begun.wait()
        yield interrupt("i1")

    begun, finals = asyncio.Event(), {}
    async with agent_stub(runtime) as stub:
        async for got in stub.Connect(send(), metadata=CLIENT, timeout=30):
            begun.set()
            if got.is_final:
                finals[got.request_id] = got
    assert finals["r1"].outcome == agent_pb2.OUTCOME_INTERRUPTED
    assert not finals["r1"].complete.success
    assert finals["i1"].complete.success


async def test_bad_fields_are_named(runtime: Runtime) -> None:
    """A refusal says which field and what would be right."""
    got = await responses(runtime, message("no spaces", "x"), message("r2", ""))
    assert [r.error.code for r in got] == ["BAD_REQUEST", "BAD_REQUEST"]
    assert "request_id" in got[0].error.message
    assert "content" in got[1].error.message


async def test_status(runtime: Runtime) -> None:
    """GetStatus tells state, seq, model, mode, session and uptime."""
    await responses(runtime, message("r1", "echo hi"))
    async with agent_stub(runtime) as stub:
        status = await stub.GetStatus(agent_pb2.GetStatusRequest(), metadata=CLIENT)
    assert (status.agent_id, status.backend) == ("agent-1", "command")
    assert status.state == agent_pb2.AGENT_STATE_IDLE
    assert status.latest_seq == 2
    assert status.permission_mode == "acceptEdits"
    assert status.uptime_ms > 0


async def test_shutdown_answers_and_ends(runtime: Runtime) -> None:
    """The answer comes, then the process ends with status 0 and leaves the clean mark."""
    async with agent_stub(runtime) as stub:
        answer = await stub.Shutdown(agent_pb2.ShutdownRequest(graceful=True), metadata=CLIENT)
    assert answer.success
    assert runtime.process is not None
    assert await asyncio.wait_for(runtime.process.wait(), 15) == 0
    assert (runtime.folder / "state" / "clean").exists()


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer wrong"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "client-token"),), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer relay-token"),), grpc.StatusCode.PERMISSION_DENIED),
    ],
)
async def test_no_call_without_the_right_token(
    runtime: Runtime, token: tuple[tuple[str, str], ...], code: grpc.StatusCode
) -> None:
    """Neither unary calls nor streams get anything with a wrong token."""
    async with agent_stub(runtime) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await stub.GetStatus(agent_pb2.GetStatusRequest(), metadata=token)
        stream = stub.Connect(metadata=token, timeout=10)
        stream_code = await stream.code()
    assert (unary.value.code(), stream_code) == (code, code)
    assert not (runtime.folder / "workspace" / "pwned").exists()


async def test_health_and_reflection_need_no_token(runtime: Runtime) -> None:
    """kubelet and grpcurl send none."""
    async with grpc.aio.insecure_channel(runtime.address) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(grpc.Channel, channel))
        services = [
            service.name
            async for got in stub.ServerReflectionInfo(iter([asked]))
            for service in got.list_services_response.service
        ]
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert {"agent.v1.AgentService", "relay.v1.RelayService"} <= set(services)


async def test_clients_leave_room_for_gateways(runtime: Runtime) -> None:
    """One stream too many is told to come back; commands of gateways get through."""
    async with agent_stub(runtime) as stub, relay_stub(runtime) as gateway:
        streams: list[Any] = []
        for number in range(MAX_STREAMS):
            stream: Any = stub.Connect(metadata=CLIENT, timeout=60)
            await stream.write(agent_pb2.AgentRequest(request_id=f"u{number}"))
            streams.append(stream)
        for stream in streams:
            assert (await stream.read()).error.code == "UNKNOWN_COMMAND"
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await cast("Any", stub.Connect(metadata=CLIENT, timeout=60)).read()
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        accepted = await submit(gateway, message("r1", "echo hi"))
        assert accepted.result == relay_pb2.SubmitResponse.RESULT_ACCEPTED
        for stream in streams:
            stream.cancel()
