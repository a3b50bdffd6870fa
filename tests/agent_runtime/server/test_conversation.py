"""One Connect stream over a real journal and runner: what it takes at a time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.space import RESERVE_BYTES
from agent_runtime.model import TurnEnd
from agent_runtime.server.conversation import MAX_OPEN, Conversation
from proto.agent.v1 import agent_pb2
from tests.agent_runtime.commands import final
from tests.agent_runtime.commands import message as command
from tests.agent_runtime.journal.test_retention import fill
from tests.agent_runtime.turns.bench import Bench, bench
from tests.agent_runtime.turns.scripted import ScriptedBackend, echo
from tests.peers.runtime import message


async def test_one_stream_follows_so_many_turns_and_reads_the_rest_later(tmp_path: Path) -> None:
    """A client that sends without end is not read without end; nothing of it is lost."""
    going_on = asyncio.Event()
    read: list[str] = []
    got: list[agent_pb2.AgentResponse] = []

    async def when_told(backend: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        await going_on.wait()
        return await echo(backend, content, sink)

    async def commands() -> AsyncIterator[agent_pb2.AgentRequest]:
        for number in range(MAX_OPEN + 40):
            read.append(f"r{number}")
            yield message(f"r{number}", "hello")

    async def write(response: agent_pb2.AgentResponse) -> None:
        got.append(response)

    async with bench(tmp_path, when_told) as b:
        talk = Conversation(b.journal, b.runner, write)
        running = asyncio.create_task(talk.run(commands()))
        await until_turns(b, MAX_OPEN)
        for _ in range(5):
            await b.journal.put_fact("written", "")
        assert len(read) == len(b.journal.turns(limit=1000)) == MAX_OPEN
        going_on.set()
        async with asyncio.timeout(20):
            await running
        assert [r.request_id for r in got if r.is_final] == read
        assert len(read) == MAX_OPEN + 40


async def until_turns(b: Bench, count: int) -> None:
    watch = b.journal.watch()
    try:
        async with asyncio.timeout(20):
            while len(b.journal.turns(limit=1000)) < count:
                await watch.changed()
    finally:
        watch.close()


async def test_a_client_that_reads_too_slowly_is_told_and_let_go(tmp_path: Path) -> None:
    """Events that nobody has to deliver make room for others; the stream ends all the same."""
    reading = asyncio.Event()
    got: list[agent_pb2.AgentResponse] = []

    async def hello() -> AsyncIterator[agent_pb2.AgentRequest]:
        yield message("r1", "hello")

    async def write(response: agent_pb2.AgentResponse) -> None:
        got.append(response)
        await reading.wait()

    async with Journal(tmp_path, max_bytes=RESERVE_BYTES + 40_000) as journal:
        b = Bench(journal, tmp_path, ScriptedBackend())
        turn = (await journal.accept(command("r1", ticket=b""))).turn.turn
        await fill(journal, turn, 1)
        running = asyncio.create_task(Conversation(journal, b.runner, write).run(hello()))
        watch = journal.watch()
        while not got:
            await watch.changed(timeout_s=0.01)
        watch.close()
        await fill(journal, turn, 30)
        await journal.finish(turn, final(), agent_pb2.OUTCOME_COMPLETED)
        reading.set()
        async with asyncio.timeout(10):
            await running
    assert [r.error.code for r in got] == ["", "GONE"]
    assert got[-1].request_id == "r1"
