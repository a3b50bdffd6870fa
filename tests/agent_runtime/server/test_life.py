"""Starting, dying, coming back, ending: real processes."""

import asyncio
import itertools
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc

from agent_runtime.journal.journal import Journal
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2, relay_pb2_grpc
from tests.agent_runtime import commands
from tests.peers.runtime import RELAY, Runtime, message, relay_stub, replay, submit


@asynccontextmanager
async def ended(runtime: Runtime) -> AsyncIterator[Runtime]:
    try:
        yield runtime
    finally:
        await runtime.end()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


async def until_file(path: Path) -> str:
    async with asyncio.timeout(10):
        while not (path.exists() and path.read_text("ascii").endswith("\n")):
            await asyncio.sleep(0.01)
    return path.read_text("ascii").strip()


async def until_said(runtime: Runtime, event: str, *, times: int = 1) -> None:
    """By runtimes of that folder."""
    async with asyncio.timeout(20):
        while runtime.log().count(event) < times:
            await asyncio.sleep(0.01)


async def settle(stub: Any, request_id: str, seq: int) -> None:
    """Relay the turn, which has ended, as a gateway would; `seq` is its final's."""
    call = stub.Relay(metadata=RELAY)
    while not any(event.seq == seq for event in (await call.read()).events.events):
        pass
    ack = relay_pb2.Ack(request_id=request_id, generation=1, seq=seq)
    await call.write(relay_pb2.RelayUp(ack=ack))
    while (await call.read()).WhichOneof("message") != "idle":
        pass


async def test_fault_34_a_killed_runtime_leaves_one_final_and_no_processes(tmp_path: Path) -> None:
    """AGENT_RESTARTED for what ran, the queued turn runs, the old CLI's group is gone."""
    async with ended(Runtime(tmp_path)) as runtime:
        await runtime.start()
        async with relay_stub(runtime) as stub:
            script = "sleep 300 & echo $! > pids; wait"
            await submit(stub, message("r1", script))
            await submit(stub, message("r2", "echo second"))
            pid = int(await until_file(tmp_path / "workspace" / "pids"))
        await runtime.kill()
        assert alive(pid)
        await runtime.start()
        async with relay_stub(runtime) as stub:
            first = await replay(stub, "r1")
            second = await replay(stub, "r2")
        assert [r.error.code for r in first] == ["AGENT_RESTARTED"]
        assert second[-1].outcome == agent_pb2.OUTCOME_COMPLETED
        assert not alive(pid)


async def test_sigterm_ends_the_turn_its_processes_and_the_runtime(tmp_path: Path) -> None:
    """The running turn gets its chance, then its final; no process of the CLI is left."""
    settings = {"FORGE_GRACE_S": "0.2"}
    async with ended(Runtime(tmp_path, settings)) as runtime:
        process = await runtime.start()
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "sleep 300 & echo $! > pids; wait"))
            pid = int(await until_file(tmp_path / "workspace" / "pids"))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
        assert not alive(pid)
        await runtime.start()
        async with relay_stub(runtime) as stub:
            *_, final = await replay(stub, "r1")  # bash may say that its child was terminated
        assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED


async def test_a_second_sigterm_waits_for_nothing(tmp_path: Path) -> None:
    """The first gives the running turn its chance, the second takes it."""
    async with ended(Runtime(tmp_path, {"FORGE_GRACE_S": "60"})) as runtime:
        process = await runtime.start()
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "echo $$ > pids; sleep 300"))
            await until_file(tmp_path / "workspace" / "pids")
        process.send_signal(signal.SIGTERM)
        waiting = asyncio.create_task(process.wait())
        done, _ = await asyncio.wait({waiting}, timeout=0.5)
        assert not done
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(waiting, 15) == 0
        assert (tmp_path / "state" / "clean").exists()


_STOPPED_GATEWAY = """
import asyncio, sys
import grpc
from proto.relay.v1 import relay_pb2_grpc
from tests.peers.runtime import RELAY

async def main():
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        call = relay_pb2_grpc.RelayServiceStub(channel).Relay(metadata=RELAY)
        await call.read()
        print("attached", flush=True)
        await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_fault_33_a_hung_gateway_loses_its_place(tmp_path: Path) -> None:
    """Stopped in mid-relay with much on its way: after 10 s of silence another one may relay,
    and the runtime can still end."""
    async with ended(Runtime(tmp_path)) as runtime:
        process = await runtime.start()
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _STOPPED_GATEWAY, runtime.address, stdout=PIPE
        )
        try:
            assert gateway.stdout is not None
            await gateway.stdout.readline()
            gateway.send_signal(signal.SIGSTOP)
            async with relay_stub(runtime) as stub:
                large = "for i in $(seq 40); do head -c 60000 /dev/zero | tr '\\0' x; echo; done"
                await submit(stub, message("r1", large), ticket=b"t")
                assert (await replay(stub, "r1"))[-1].is_final
                async with asyncio.timeout(20):
                    while not await _attaches(stub):
                        await asyncio.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 15) == 0
            assert not (tmp_path / "state" / "clean").exists()
        finally:
            gateway.kill()
            await gateway.wait()


async def _attaches(stub: Any) -> bool:
    call = stub.Relay(metadata=RELAY, timeout=5)
    try:
        await call.read()
    except grpc.aio.AioRpcError:
        return False  # refused while another one has the place
    call.cancel()
    return True


async def test_a_second_runtime_leaves_the_first_alone(tmp_path: Path) -> None:
    """Starting twice is no error: exit status 75, socket and journal untouched."""
    async with ended(Runtime(tmp_path)) as first:
        await first.start()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent_runtime", env=first.env()
        )
        assert await asyncio.wait_for(process.wait(), 15) == 75
        async with relay_stub(first) as stub:
            await submit(stub, message("r1", "echo hi"))
            assert (await replay(stub, "r1"))[-1].is_final


async def test_the_next_pod_of_a_volume_waits_for_the_last_one(tmp_path: Path) -> None:
    """In a pod a second runtime does not end: it says what it waits for, answers nobody, and goes
    on with the journal as soon as the first one is dead."""
    second = Runtime(tmp_path, {"FORGE_POD_UID": "u"})
    async with ended(Runtime(tmp_path)) as first, ended(second):
        await first.start()
        async with relay_stub(first) as stub:
            await submit(stub, message("r1", "sleep 300"))
            await second.launch()
            await until_said(second, "waits_for_folder")
            told = await stub.Turns(relay_pb2.TurnsRequest(), metadata=RELAY, timeout=10)
            assert [turn.state for turn in told.turns] == [relay_pb2.TURN_STATE_RUNNING]
        await first.kill()
        await until_said(second, "agent_ready", times=2)
        async with relay_stub(second) as stub:
            assert [final.error.code for final in await replay(stub, "r1")] == ["AGENT_RESTARTED"]


async def test_an_idle_agent_ends_by_itself_and_cleanly(tmp_path: Path) -> None:
    """Unused and with nothing to deliver it ends; the mark tells that nothing is left to do."""
    async with ended(Runtime(tmp_path, {"FORGE_IDLE_EXIT_S": "0.3"})) as runtime:
        process = await runtime.launch()
        assert await asyncio.wait_for(process.wait(), 20) == 0
        assert (tmp_path / "state" / "clean").exists()


async def test_an_agent_with_something_to_deliver_is_not_idle(tmp_path: Path) -> None:
    """It stays until a relay has settled everything."""
    state = tmp_path / "state"
    state.mkdir()
    async with Journal(state) as journal:
        turn = (await journal.accept(commands.message("r1"))).turn.turn
        seq = await journal.finish(turn, commands.final(), agent_pb2.OUTCOME_COMPLETED)
    async with ended(Runtime(tmp_path, {"FORGE_IDLE_EXIT_S": "0.3"})) as runtime:
        process = await runtime.start()
        waiting = asyncio.create_task(process.wait())
        done, _ = await asyncio.wait({waiting}, timeout=1)
        assert not done
        async with relay_stub(runtime) as stub:
            await settle(stub, "r1", seq)
        assert await asyncio.wait_for(waiting, 15) == 0


async def test_a_deleted_agent_only_delivers(tmp_path: Path) -> None:
    """Queued turns end interrupted, Submit is refused, and it ends once all is settled."""
    async with ended(Runtime(tmp_path)) as runtime:
        await runtime.start()
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "sleep 300"))
            await submit(stub, message("r2", "echo never > ran"), ticket=b"t")
        await runtime.kill()
        (tmp_path / "state" / "deleted").touch()
        process = await runtime.start()
        async with relay_stub(runtime) as stub:
            (final,) = await replay(stub, "r2")
            assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED
            await settle(stub, "r2", final.seq)
            assert await asyncio.wait_for(process.wait(), 15) == 0
        assert not (tmp_path / "workspace" / "ran").exists()


async def test_a_deletion_that_nobody_told_is_carried_out(tmp_path: Path) -> None:
    """The gateway died between its mark and its call: the runtime sees the mark by itself."""
    async with ended(Runtime(tmp_path)) as runtime:
        process = await runtime.start()
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "sleep 300"), ticket=b"t")
            (tmp_path / "state" / "deleted").touch()
            *_, final = await replay(stub, "r1")  # bash may say that its child was terminated
            await settle(stub, "r1", final.seq)
        assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED
        assert await asyncio.wait_for(process.wait(), 15) == 0


async def test_a_runtime_that_lost_its_socket_ends(tmp_path: Path) -> None:
    """Nobody can reach it; the next one, started by whoever looks after it, makes a new one."""
    async with ended(Runtime(tmp_path)) as runtime:
        process = await runtime.start()
        (tmp_path / "s").unlink()
        assert await asyncio.wait_for(process.wait(), 15) == 0
        await runtime.start()


class Nudges(relay_pb2_grpc.NudgeServiceServicer):
    """Remembers who nudged."""

    def __init__(self) -> None:
        self.agents: asyncio.Queue[str] = asyncio.Queue()
        self.at_s: list[float] = []

    async def Nudge(
        self, request: relay_pb2.NudgeRequest, context: object
    ) -> relay_pb2.NudgeResponse:
        self.agents.put_nowait(request.agent_id)
        self.at_s.append(time.monotonic())
        return relay_pb2.NudgeResponse()


async def test_undelivered_events_without_a_relay_nudge(tmp_path: Path) -> None:
    """Every gateway's socket in the folder is tried until one answers; dead ones do no harm. It
    is told again at growing intervals while nobody comes."""
    folder = tmp_path / "n"
    folder.mkdir()
    (folder / "gateway-dead.sock").touch()
    nudges = Nudges()
    server = grpc.aio.server()
    relay_pb2_grpc.add_NudgeServiceServicer_to_server(nudges, server)
    server.add_insecure_port(f"unix:{folder}/gateway-live.sock")
    await server.start()
    try:
        async with ended(Runtime(tmp_path, {"FORGE_NUDGE": f"dir:{folder}"})) as runtime:
            await runtime.start()
            async with relay_stub(runtime) as stub:
                await submit(stub, message("quiet", "echo hi"))
                await replay(stub, "quiet")
                assert nudges.agents.empty()
                await submit(stub, message("r1", "echo hi"), ticket=b"t")
                for _ in range(4):
                    assert await asyncio.wait_for(nudges.agents.get(), 10) == "agent-1"
        gaps_s = [after - before for before, after in itertools.pairwise(nudges.at_s)]
        for gap_s, delay_s in zip(gaps_s[:3], (0.4, 0.8, 1.6), strict=True):
            assert gap_s > 0.7 * delay_s
    finally:
        await server.stop(0)


async def test_fault_06_a_parked_turn_nudges_when_it_is_due(tmp_path: Path) -> None:
    """Not before it is due, also when gateway and runtime were killed in between."""
    folder = tmp_path / "n"
    folder.mkdir()
    nudges = Nudges()
    server = grpc.aio.server()
    relay_pb2_grpc.add_NudgeServiceServicer_to_server(nudges, server)
    server.add_insecure_port(f"unix:{folder}/gateway-live.sock")
    await server.start()
    try:
        async with ended(Runtime(tmp_path, {"FORGE_NUDGE": f"dir:{folder}"})) as runtime:
            await runtime.start()
            async with relay_stub(runtime) as stub:
                call: Any = stub.Relay(metadata=RELAY)
                await call.read()
                await submit(stub, message("r1", "echo hi"), ticket=b"t")
                while (await call.read()).WhichOneof("message") != "events":
                    pass
                park = relay_pb2.Park(
                    request_id="r1", generation=1, seq=1, delay_ms=4000, attempts=1, failure=True
                )
                await call.write(relay_pb2.RelayUp(park=park))
                turn = await until_parked(stub)
                call.cancel()
            await runtime.kill()
            await runtime.start()
            assert await asyncio.wait_for(nudges.agents.get(), 10) == "agent-1"
            assert time.time() * 1000 >= turn.next_attempt_ms
            async with relay_stub(runtime) as stub:
                call = stub.Relay(metadata=RELAY)
                while (down := await call.read()).WhichOneof("message") != "turn":
                    pass
                assert down.turn.attempts == 1
                assert down.turn.first_failure_ms > 0
                call.cancel()
    finally:
        await server.stop(0)


async def until_parked(stub: Any) -> relay_pb2.Turn:
    async with asyncio.timeout(10):
        while True:
            told = await stub.Turns(relay_pb2.TurnsRequest(request_id="r1"), metadata=RELAY)
            if told.turns[0].delivery == relay_pb2.DELIVERY_STATE_PARKED:
                assert told.turns[0].attempts == 1
                return cast(relay_pb2.Turn, told.turns[0])
            await asyncio.sleep(0.01)
