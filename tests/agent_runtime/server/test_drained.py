"""A pod for which messages have waited: nothing overtakes them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.peers.runtime import (
    CLIENT,
    RELAY,
    Runtime,
    agent_stub,
    interrupt,
    message,
    relay_stub,
    replay,
    submit,
)


@asynccontextmanager
async def pod(folder: Path, uid: str) -> AsyncIterator[Runtime]:
    """A runtime in a pod of that UID."""
    runtime = Runtime(folder, {"FORGE_POD_UID": uid})
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.end()


async def waited(stub: Any, request: agent_pb2.AgentRequest) -> relay_pb2.SubmitResponse:
    answer = await stub.Submit(
        relay_pb2.SubmitRequest(request=request, waited=True), metadata=RELAY, timeout=10
    )
    assert isinstance(answer, relay_pb2.SubmitResponse)
    return answer


async def drained(stub: Any, pod_uid: str) -> None:
    await stub.Drained(relay_pb2.DrainedRequest(pod_uid=pod_uid), metadata=RELAY, timeout=10)


async def refused(stub: Any, request: agent_pb2.AgentRequest) -> bool:
    """Whether it is refused, in the words a gateway looks for."""
    with pytest.raises(grpc.aio.AioRpcError) as told:
        await submit(stub, request)
    code, details = told.value.code(), told.value.details()
    return (code, details) == (grpc.StatusCode.FAILED_PRECONDITION, "not drained")


async def said_at_first(stub: Any) -> str:
    """What the hello of a relay tells of the draining."""
    call = stub.Relay(metadata=RELAY, timeout=20)
    hello: relay_pb2.RelayDown = await call.read()
    call.cancel()
    async with asyncio.timeout(10):
        while (await waited(stub, message("r1", "echo one"))).relay_attached:
            await asyncio.sleep(0.01)
    return hello.hello.drained


async def test_only_what_waited_is_taken_before_an_agent_is_drained(tmp_path: Path) -> None:
    """New commands are refused with the words a gateway looks for, and repeats are told as such;
    what waited runs meanwhile."""
    async with pod(tmp_path, "uid-1") as runtime, relay_stub(runtime) as stub:
        assert await refused(stub, message("r2", "echo two"))
        assert await refused(stub, interrupt("i1"))
        taken = await waited(stub, message("r1", "echo one"))
        assert taken.result == relay_pb2.SubmitResponse.RESULT_ACCEPTED
        assert (await replay(stub, "r1"))[-1].outcome == agent_pb2.OUTCOME_COMPLETED
        repeated = await submit(stub, message("r1", "echo one"))
        assert repeated.result == relay_pb2.SubmitResponse.RESULT_DUPLICATE
        assert await refused(stub, message("r2", "echo two"))
        await drained(stub, "uid-1")
        await submit(stub, message("r2", "echo two"))
        assert (await replay(stub, "r2"))[-1].outcome == agent_pb2.OUTCOME_COMPLETED


async def test_being_drained_outlives_the_container_and_not_the_pod(tmp_path: Path) -> None:
    """Killed and restarted it is drained; in another pod, with the same journal on a volume, it
    is not: messages may have waited for that one too. The relay's hello tells which."""
    async with pod(tmp_path, "uid-1") as runtime, relay_stub(runtime) as stub:
        assert await said_at_first(stub) == ""
        await drained(stub, "uid-1")
        await drained(stub, "uid-1")
        assert await said_at_first(stub) == "uid-1"
        await runtime.kill()
    async with pod(tmp_path, "uid-1") as runtime, relay_stub(runtime) as stub:
        assert await said_at_first(stub) == "uid-1"
        await submit(stub, message("r2", "echo two"))
    async with pod(tmp_path, "uid-2") as runtime, relay_stub(runtime) as stub:
        assert await said_at_first(stub) == ""
        assert await refused(stub, message("r3", "echo three"))


async def test_an_agent_is_not_drained_by_what_is_said_of_another_pod(tmp_path: Path) -> None:
    """A gateway that speaks of the pod before is refused, and told of which pod this is."""
    async with pod(tmp_path, "uid-2") as runtime, relay_stub(runtime) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="uid-2") as told:
            await drained(stub, "uid-1")
        assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert await refused(stub, message("r1", "echo one"))


async def test_an_agent_in_no_pod_is_drained_from_the_start(runtime: Runtime) -> None:
    """Nothing waits for it anywhere; it says no UID."""
    async with relay_stub(runtime) as stub:
        assert await said_at_first(stub) == ""
        await submit(stub, message("r2", "echo two"))
        with pytest.raises(grpc.aio.AioRpcError) as told:
            await drained(stub, "uid-1")
        assert told.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_direct_clients_overtake_nothing_either(tmp_path: Path) -> None:
    """They are told what to wait for, and the stream lives: later their command is taken."""
    async with pod(tmp_path, "uid-1") as runtime, agent_stub(runtime) as direct:
        call = direct.Connect(metadata=CLIENT, timeout=30)
        await call.write(message("r1", "echo one"))
        refusal = await call.read()
        assert isinstance(refusal, agent_pb2.AgentResponse)
        assert (refusal.error.code, refusal.seq, refusal.is_final) == ("NOT_DRAINED", 0, True)
        assert "repeat" in refusal.error.message
        async with relay_stub(runtime) as stub:
            await drained(stub, "uid-1")
        await call.write(message("r1", "echo one"))
        await call.done_writing()
        event, final = await call.read(), await call.read()
        assert isinstance(event, agent_pb2.AgentResponse)
        assert isinstance(final, agent_pb2.AgentResponse)
        assert (event.event.event_type, final.outcome) == ("text", agent_pb2.OUTCOME_COMPLETED)
