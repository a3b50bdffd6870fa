"""Nudges, from whoever can reach the port."""

import shutil
import socket
from pathlib import Path

import grpc
import pytest

from gateway.errors import StartFailed
from gateway.relay.nudge import BURST, MAX_CALLS, MAX_SOURCES, PER_SECOND, Limiter, NudgeServer
from proto.relay.v1 import relay_pb2, relay_pb2_grpc
from tests.gateway.delivery.events import final
from tests.gateway.relay.house import AGENT, house


async def nudge(target: str, agent_id: str) -> None:
    async with grpc.aio.insecure_channel(target) as channel:
        stub = relay_pb2_grpc.NudgeServiceStub(channel)
        await stub.Nudge(relay_pb2.NudgeRequest(agent_id=agent_id), timeout=5, wait_for_ready=True)


async def test_a_nudged_agent_is_relayed(tmp_path: Path) -> None:
    """What the last gateway left is taken over, over a Unix socket too."""
    async with house() as home:
        server = NudgeServer(home.attachments)
        await server.start(f"unix:{tmp_path}/n.sock")
        await nudge(f"unix:{tmp_path}/n.sock", AGENT)
        relay = await home.agent.relay()
        relay.open_turn("r1", home.ticket("r1"))
        relay.events(final(seq=1))
        await relay.acked("r1", 1)
        await server.close()


@pytest.mark.parametrize("loss", ["removed", "replaced", "wiped"])
async def test_a_lost_socket_is_bound_again(tmp_path: Path, loss: str) -> None:
    """Whoever cleans up under a gateway does not make it deaf."""
    path = tmp_path / "sockets" / "n.sock"
    path.parent.mkdir()
    async with house() as home:
        server = NudgeServer(home.attachments, look_every_s=0.05)
        await server.start(f"unix:{path}")
        lose(path, loss)
        path.parent.mkdir(exist_ok=True)
        await nudge(f"unix:{path}", AGENT)
        await home.agent.relay()
        await server.close()
        assert not path.exists()


def lose(path: Path, loss: str) -> None:
    if loss == "wiped":
        shutil.rmtree(path.parent)
        return
    path.unlink()
    if loss == "replaced":
        with socket.socket(socket.AF_UNIX) as another:  # not listening
            another.bind(str(path))


async def test_one_source_cannot_nudge_without_end() -> None:
    """Beyond its limit it is refused, and costs no look at any agent."""
    async with house() as home:
        server = NudgeServer(home.attachments, limiter=Limiter(burst=2, per_second=0.001))
        port = await server.start("127.0.0.1:0")
        target = f"127.0.0.1:{port}"
        await nudge(target, "nobody")
        await nudge(target, "nobody")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await nudge(target, "nobody")
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await server.close()


@pytest.mark.parametrize("agent_id", ["", "a/../b", "x" * 129, "a b", "ü"])
async def test_what_is_no_id_is_refused(agent_id: str) -> None:
    """A nudge is a name, and nothing else reaches the launcher."""
    async with house() as home:
        server = NudgeServer(home.attachments)
        port = await server.start("127.0.0.1:0")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await nudge(f"127.0.0.1:{port}", agent_id)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert not home.launcher.reached
        await server.close()


async def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    """The gateway does not start deaf."""
    async with house() as home:
        with pytest.raises(StartFailed):
            await NudgeServer(home.attachments).start(f"unix:{tmp_path}/none/n.sock")


def test_sources_are_limited_each_for_itself_and_forgotten() -> None:
    """A loud source does not silence others, and a thousand names fill no memory."""
    limiter = Limiter(burst=1, per_second=0.001, sources=10)
    assert limiter.admit("a")
    assert not limiter.admit("a")
    assert limiter.admit("b")
    for number in range(100):
        limiter.admit(f"s{number}")
    assert limiter.admit("a")


def test_what_all_nudges_may_take_is_little() -> None:
    """Whoever can reach the port, which asks for no token, keeps a gateway from nothing."""
    assert MAX_CALLS == 256
    assert (BURST, PER_SECOND, MAX_SOURCES) == (200.0, 100.0, 1024)
