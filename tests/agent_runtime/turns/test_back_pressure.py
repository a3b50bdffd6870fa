"""A journal that is full of what nobody takes: the turn waits, and can still be ended."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Exhausted
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Mark
from agent_runtime.journal.space import MAX_UNWRITTEN_BYTES, RESERVE_BYTES
from agent_runtime.model import BackendEvent, Kind, TurnEnd
from agent_runtime.turns.command import check
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import interrupt, message
from tests.agent_runtime.turns.bench import Bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend

FEW = 20


async def says_much(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    for _number in range(FEW):
        await sink.emit(BackendEvent("text", b"x" * 10_000, Kind.TEXT))
    return COMPLETED


@asynccontextmanager
async def small_bench(folder: Path) -> AsyncIterator[Bench]:
    """Room for about four events."""
    async with Journal(folder, max_bytes=RESERVE_BYTES + 40_000) as journal:
        made = Bench(journal, folder, ScriptedBackend(says_much))
        await made.begin()
        try:
            yield made
        finally:
            made.runner.hurry()
            await made.runner.drain()
            assert made.task is not None
            await made.task


async def until_full(bench: Bench) -> None:
    watch = bench.journal.watch()
    try:
        async with asyncio.timeout(10):
            while bench.journal.has_room:
                await watch.changed()
    finally:
        watch.close()


def with_limit(request_id: str, timeout_ms: int) -> agent_pb2.AgentRequest:
    send = agent_pb2.SendMessageRequest(content="hello", timeout_ms=timeout_ms)
    return agent_pb2.AgentRequest(request_id=request_id, send_message=send)


async def test_a_turn_that_waits_for_room_is_not_over_its_limit(tmp_path: Path) -> None:
    """Its clock stands still; once its events are taken it goes on to its end, nothing lost."""
    async with small_bench(tmp_path) as b:
        await b.runner.submit(check(with_limit("r1", 300), ticket=b"t"))
        await until_full(b)
        ending = asyncio.create_task(b.until("r1"))
        assert not (await asyncio.wait({ending}, timeout=0.6))[0]
        with pytest.raises(Exhausted):
            await b.runner.submit(message("r2"))
        watch = b.journal.watch()
        while not (turn := b.journal.turn("r1")).ended:
            b.journal.mark(turn.turn, Mark("r1", 1, turn.last_seq))
            async with asyncio.timeout(10):
                await watch.changed()
        watch.close()
        assert (await ending).outcome == agent_pb2.OUTCOME_COMPLETED
        assert turn.last_seq == FEW + 1


async def test_an_interrupt_gets_through_a_writer_that_is_behind(tmp_path: Path) -> None:
    """A CLI that says more than the disk takes can be stopped; messages are refused meanwhile."""
    go_on = threading.Event()
    async with small_bench(tmp_path) as b:
        turn = (await b.journal.accept(message("r1"))).turn.turn
        b.journal._writer.submit(lambda _: go_on.wait(10))
        b.journal.append(turn, b"x" * (MAX_UNWRITTEN_BYTES + 1))
        interrupting = asyncio.create_task(b.runner.submit(interrupt("i1", target="r1")))
        with pytest.raises(Exhausted):
            await b.runner.submit(message("r2"))
        go_on.set()
        accepted = await interrupting
        assert accepted.result == relay_pb2.SubmitResponse.RESULT_ACCEPTED


async def test_an_interrupt_gets_through_to_a_turn_that_waits_for_room(tmp_path: Path) -> None:
    """At once: it does not wait for a receiver that may never answer."""
    async with small_bench(tmp_path) as b:
        await b.runner.submit(message("r1"))
        await until_full(b)
        await b.runner.submit(interrupt("i1"))
        async with asyncio.timeout(2):
            watch = b.journal.watch()
            while not b.journal.turn("r1").ended:
                await watch.changed()
            watch.close()
        assert b.backend.stops == 0
