"""What the runtime leaves behind, and when it goes by itself."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_runtime.errors import Closing
from agent_runtime.server.life import Life
from agent_runtime.server.usage import Usage
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import message as command
from tests.agent_runtime.turns.bench import Bench, bench
from tests.peers.runtime import (
    CLIENT,
    RELAY,
    Runtime,
    agent_stub,
    message,
    relay_stub,
    replay,
    submit,
)

IDLE = {"FORGE_IDLE_EXIT_S": "2"}
HELD_S = 4.0
"""More than that, and than an open call is waited for at the end."""


@asynccontextmanager
async def started(
    folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Runtime]:
    runtime = Runtime(folder, settings or {})
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.end()


async def over_within(runtime: Runtime, timeout_s: float) -> bool:
    """Whether its process ends so soon."""
    assert runtime.process is not None
    waiting = asyncio.create_task(runtime.process.wait())
    done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
    waiting.cancel()
    return bool(done)


async def test_the_clean_mark_stands_for_an_end_with_nothing_left(tmp_path: Path) -> None:
    """It is gone while a runtime lives, so that one that is killed leaves none, and is not put
    while anything is unsettled."""
    clean = tmp_path / "state" / "clean"
    async with started(tmp_path) as runtime:
        await runtime.end()
        assert clean.exists()
        await runtime.start()
        assert not clean.exists()
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "echo hi"), ticket=b"t")
            await replay(stub, "r1")
        await runtime.kill()
        assert not clean.exists()
        process = await runtime.start()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
        assert not clean.exists()


async def test_an_open_replay_keeps_an_agent(tmp_path: Path) -> None:
    """Whoever follows its events uses it, however long nothing comes."""
    async with started(tmp_path, IDLE) as runtime:
        async with relay_stub(runtime) as stub:
            call = stub.Replay(relay_pb2.ReplayRequest(follow=True), metadata=RELAY)
            assert not await over_within(runtime, HELD_S)
            call.cancel()
        assert await over_within(runtime, 15)


async def test_an_open_connect_keeps_an_agent(tmp_path: Path) -> None:
    """A client that may say something any time uses it."""
    async with started(tmp_path, IDLE) as runtime:
        async with agent_stub(runtime) as stub:
            call = stub.Connect(metadata=CLIENT)
            assert not await over_within(runtime, HELD_S)
            await call.write(message("r1", "echo hi"))
            await call.done_writing()
            finals = [got.is_final async for got in call]
            assert finals == [False, True]
        assert await over_within(runtime, 15)


class Idle:
    """The idle watch of a runner that has nothing to do."""

    def __init__(self, b: Bench) -> None:
        self.life = Life(journal=b.journal, runner=b.runner, usage=Usage(), idle_exit_s=0.1)
        self.task = asyncio.create_task(self.life.end_when_idle())

    async def ended_within(self, timeout_s: float) -> bool:
        waiting = asyncio.create_task(self.life.wait())
        done, _ = await asyncio.wait({waiting}, timeout=timeout_s)
        waiting.cancel()
        return bool(done)


async def test_an_agent_is_not_idle_while_a_command_is_on_its_way_to_the_disk(
    tmp_path: Path,
) -> None:
    """However slow the disk: the message is accepted, and runs here and now."""
    go_on = threading.Event()
    async with bench(tmp_path) as b:
        slow = b.journal._writer.submit(lambda _: go_on.wait(10))
        submitting = asyncio.create_task(b.runner.submit(command("r1", ticket=b"")))
        await asyncio.sleep(0)
        idle = Idle(b)
        assert not await idle.ended_within(0.5)
        go_on.set()
        await slow
        await submitting
        assert (await b.until("r1")).outcome == agent_pb2.OUTCOME_COMPLETED
        assert await idle.ended_within(10)


async def test_nothing_is_accepted_once_an_idle_agent_goes(tmp_path: Path) -> None:
    """It would be left undone: its caller is told, and asks again."""
    async with bench(tmp_path) as b:
        assert await Idle(b).ended_within(10)
        with pytest.raises(Closing):
            await b.runner.submit(command("r1"))
        assert b.journal.turns(limit=10) == []
