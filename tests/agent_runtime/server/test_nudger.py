"""Nudges to an address behind which several gateways stand, as a Service's is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from agent_runtime.journal.journal import Journal
from agent_runtime.server.nudger import Nudger
from agent_runtime.server.relay_slot import RelaySlot
from proto.relay.v1 import relay_pb2_grpc
from tests.agent_runtime.commands import message
from tests.agent_runtime.server.test_life import Nudges

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Backend = Callable[[Streams], Awaitable[None]]


@asynccontextmanager
async def gateway() -> AsyncIterator[tuple[Nudges, Backend]]:
    """One that takes nudges, and the way to it."""
    nudges, server = Nudges(), grpc.aio.server()
    relay_pb2_grpc.add_NudgeServiceServicer_to_server(nudges, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def reach(client: Streams) -> None:
        own = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(client[0], own[1]), pipe(own[0], client[1]))

    try:
        yield nudges, reach
    finally:
        await server.stop(0)


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
    writer.close()


async def gone(client: Streams) -> None:
    """A gateway that was killed: the connection is refused."""
    client[1].transport.abort()


async def hanging(client: Streams) -> None:
    """One that is stopped: the connection stands, and nothing comes."""
    with contextlib.suppress(ConnectionError):
        await client[0].read()


@asynccontextmanager
async def service(backends: Sequence[Backend]) -> AsyncIterator[str]:
    """An address that gives each connection to the next of them; the last one has the rest."""
    left = list(backends)
    passing: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        passing[task] = writer
        backend = left.pop(0) if len(left) > 1 else left[0]
        await backend((reader, writer))
        writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in passing.values():
            writer.transport.abort()
        await asyncio.gather(*passing)


@asynccontextmanager
async def nudging(folder: Path, where: str) -> AsyncIterator[None]:
    """An agent with something to deliver, and no relay."""
    async with Journal(folder) as journal:
        await journal.accept(message("r1"))
        nudger = Nudger(agent_id="agent-1", where=where, journal=journal, slot=RelaySlot())
        running = asyncio.create_task(nudger.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("dead", [gone, hanging])
async def test_a_dead_gateway_behind_the_address_does_not_hold_up_the_others(
    tmp_path: Path, dead: Backend
) -> None:
    """Every try is a connection of its own with a short deadline, so the next may reach another;
    and it follows at once, not after the pause of a nudge that arrived."""
    async with (
        gateway() as (nudges, alive),
        service([dead, dead, alive]) as address,
        nudging(tmp_path, address),
        asyncio.timeout(20),
    ):
        assert await nudges.agents.get() == "agent-1"
        assert await nudges.agents.get() == "agent-1"


async def test_a_proxy_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there for the CLI's way to its model."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with (
        gateway() as (nudges, alive),
        service([alive]) as address,
        nudging(tmp_path, address),
        asyncio.timeout(20),
    ):
        assert await nudges.agents.get() == "agent-1"


async def test_the_gateways_of_a_machine_are_tried_in_random_order(tmp_path: Path) -> None:
    """Else one of them had all the agents."""
    gateways = [Nudges() for _ in range(3)]
    async with AsyncExitStack() as stack:
        for number, nudges in enumerate(gateways):
            server = grpc.aio.server()
            relay_pb2_grpc.add_NudgeServiceServicer_to_server(nudges, server)
            server.add_insecure_port(f"unix:{tmp_path}/gateway-{number}.sock")
            await server.start()
            stack.push_async_callback(server.stop, 0)
        journal = await stack.enter_async_context(Journal(tmp_path))
        nudger = Nudger(
            agent_id="agent-1", where=f"dir:{tmp_path}", journal=journal, slot=RelaySlot()
        )
        for _ in range(20):
            await nudger._nudge_any()
    nudged = [nudges.agents.qsize() for nudges in gateways]
    assert sum(nudged) == 20
    assert max(nudged) < 20
