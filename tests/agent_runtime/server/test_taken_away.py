"""SIGTERM in a pod whose journal goes with it: what is open ends as lost, and is delivered."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.server.test_life import alive, until_file
from tests.peers.runtime import RELAY, Runtime, message, relay_stub, replay, submit

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@asynccontextmanager
async def pod(folder: Path, *, journal: str, grace_s: float) -> AsyncIterator[tuple[Runtime, Any]]:
    """A runtime in a drained pod, and a gateway's way to it."""
    settings = {"FORGE_POD_UID": "u", "FORGE_JOURNAL": journal, "FORGE_GRACE_S": str(grace_s)}
    runtime = Runtime(folder, settings)
    await runtime.start()
    try:
        async with relay_stub(runtime) as stub:
            await stub.Drained(relay_pb2.DrainedRequest(pod_uid="u"), metadata=RELAY, timeout=10)
            yield runtime, stub
    finally:
        await runtime.kill()


def terminated(runtime: Runtime) -> Process:
    assert runtime.process is not None
    runtime.process.send_signal(signal.SIGTERM)
    return runtime.process


async def over_within(process: Process, timeout_s: float) -> bool:
    waiting = asyncio.create_task(process.wait())
    done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
    waiting.cancel()
    return bool(done)


async def health(runtime: Runtime) -> int:
    """What kubelet would be told; it shows no token."""
    async with grpc.aio.insecure_channel(runtime.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        return int((await stub.Check(health_pb2.HealthCheckRequest(), timeout=10)).status)


async def deliver(stub: Any) -> None:
    """Relay everything as a gateway would, until nothing is left."""
    call = stub.Relay(metadata=RELAY, timeout=30)
    while (down := await call.read()).WhichOneof("message") != "idle":
        for event in down.events.events:
            ack = relay_pb2.Ack(request_id=event.request_id, generation=1, seq=event.seq)
            await call.write(relay_pb2.RelayUp(ack=ack))


async def refuses(stub: Any) -> bool:
    """Whether it takes no message any more."""
    try:
        await submit(stub, message("late", "echo hi"))
    except grpc.aio.AioRpcError as error:
        return error.code() == grpc.StatusCode.FAILED_PRECONDITION
    return False


async def test_what_is_open_ends_as_lost_and_is_delivered(tmp_path: Path) -> None:
    """Running after its chance, queued at once; nothing more is taken, and the runtime ends when
    a relay has settled all. Until then it answers gateways, kubelet too."""
    async with pod(tmp_path, journal="volatile", grace_s=0.3) as (runtime, stub):
        await submit(stub, message("r1", "sleep 300 & echo $! > pids; wait"), ticket=b"t")
        await submit(stub, message("r2", "echo never > ran"), ticket=b"t")
        pid = int(await until_file(tmp_path / "workspace" / "pids"))
        process = terminated(runtime)
        for name in ("r2", "r1"):
            *_, final = await replay(stub, name)
            assert (final.outcome, final.error.code) == (agent_pb2.OUTCOME_LOST, "AGENT_LOST")
            assert "taken away" in final.error.message
            assert await refuses(stub)
            assert await health(runtime) == SERVING
            assert process.returncode is None
        await deliver(stub)
        assert await over_within(process, 15)
        assert process.returncode == 0
        assert not alive(pid)
        assert not (tmp_path / "workspace" / "ran").exists()


async def test_the_running_turn_may_end_by_itself(tmp_path: Path) -> None:
    """Within its grace it ends as it would have."""
    async with pod(tmp_path, journal="volatile", grace_s=30) as (runtime, stub):
        script = "echo there > pids; until test -e go; do sleep 0.05; done; echo done"
        await submit(stub, message("r1", script), ticket=b"t")
        await until_file(tmp_path / "workspace" / "pids")
        process = terminated(runtime)
        async with asyncio.timeout(10):
            while not await refuses(stub):
                await asyncio.sleep(0.02)
        (tmp_path / "workspace" / "go").touch()
        *_, final = await replay(stub, "r1")
        assert final.outcome == agent_pb2.OUTCOME_COMPLETED
        await deliver(stub)
        assert await over_within(process, 15)


async def test_a_second_signal_takes_the_grace_and_not_the_delivery(tmp_path: Path) -> None:
    """The turn ends as lost now; the runtime stays all the same."""
    async with pod(tmp_path, journal="volatile", grace_s=60) as (runtime, stub):
        await submit(stub, message("r1", "echo $$ > pids; sleep 300"), ticket=b"t")
        await until_file(tmp_path / "workspace" / "pids")
        terminated(runtime)
        async with asyncio.timeout(10):
            while not await refuses(stub):
                await asyncio.sleep(0.02)
        assert not (await turn(stub, "r1")).outcome
        process = terminated(runtime)
        *_, final = await replay(stub, "r1")
        assert final.outcome == agent_pb2.OUTCOME_LOST
        terminated(runtime)
        assert not await over_within(process, 0.5)
        await deliver(stub)
        assert await over_within(process, 15)


async def turn(stub: Any, request_id: str) -> relay_pb2.Turn:
    asked = relay_pb2.TurnsRequest(request_id=request_id)
    told: relay_pb2.TurnsResponse = await stub.Turns(asked, metadata=RELAY, timeout=10)
    return told.turns[0]


async def test_with_nothing_left_to_deliver_it_ends_at_once(tmp_path: Path) -> None:
    """An idle pod does not use up its termination grace."""
    async with pod(tmp_path, journal="volatile", grace_s=60) as (runtime, _):
        assert await over_within(terminated(runtime), 10)
        assert (tmp_path / "state" / "clean").exists()


@pytest.mark.parametrize("journal", ["volatile", "kept"])
async def test_after_retire_a_signal_changes_nothing(tmp_path: Path, journal: str) -> None:
    """The pod of a deleted agent, whose volume goes too, stays to deliver what it ended."""
    async with pod(tmp_path, journal=journal, grace_s=60) as (runtime, stub):
        await submit(stub, message("r1", "echo $$ > pids; sleep 300"), ticket=b"t")
        await until_file(tmp_path / "workspace" / "pids")
        await stub.Retire(relay_pb2.RetireRequest(), metadata=RELAY, timeout=20)
        process = terminated(runtime)
        assert not await over_within(process, 0.5)
        *_, final = await replay(stub, "r1")
        assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED
        await deliver(stub)
        assert await over_within(process, 15)


async def test_a_pod_on_a_volume_leaves_what_is_open_to_the_next(tmp_path: Path) -> None:
    """Its journal goes on: queued turns run there, and nothing waits for a delivery here. While
    it ends it is not healthy."""
    async with pod(tmp_path, journal="kept", grace_s=2) as (runtime, stub):
        await submit(stub, message("r1", "echo $$ > pids; sleep 300"), ticket=b"t")
        await submit(stub, message("r2", "echo second"), ticket=b"t")
        await until_file(tmp_path / "workspace" / "pids")
        assert await health(runtime) == SERVING
        process = terminated(runtime)
        async with asyncio.timeout(10):
            while await health(runtime) != NOT_SERVING:
                await asyncio.sleep(0.02)
        assert await over_within(process, 15)
    async with pod(tmp_path, journal="kept", grace_s=0.2) as (_, stub):
        assert (await replay(stub, "r1"))[-1].outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert (await replay(stub, "r2"))[-1].outcome == agent_pb2.OUTCOME_COMPLETED
