"""The relay's session over a real journal, with a scripted gateway on the other side."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_runtime.journal.journal import Journal
from agent_runtime.server.relay_session import RelayDead, RelaySession
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.commands import event, final, message


class Gateway:
    """Says what the test puts into `up`, remembers what comes down."""

    def __init__(self) -> None:
        self.up: asyncio.Queue[relay_pb2.RelayUp] = asyncio.Queue()
        self.down: list[relay_pb2.RelayDown] = []

    async def said(self) -> AsyncIterator[relay_pb2.RelayUp]:
        while True:
            yield await self.up.get()

    async def write(self, down: relay_pb2.RelayDown) -> None:
        self.down.append(down)

    @property
    def seqs(self) -> list[int]:
        return [e.seq for down in self.down for e in down.events.events]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with Journal(tmp_path) as opened:
        yield opened


def session(journal: Journal, gateway: Gateway, *, silence_s: float = 10) -> RelaySession:
    return RelaySession(journal=journal, agent_id="a", write=gateway.write, silence_s=silence_s)


async def fill(journal: Journal, *sizes: int) -> None:
    turn = (await journal.accept(message("r1"))).turn.turn
    for size in sizes:
        await journal.append(turn, event("x" * size))
    await journal.put_fact("flush", "1")


async def test_a_silent_relay_with_events_is_dead(journal: Journal) -> None:
    """Its place must not be its for ever."""
    await fill(journal, 10)
    with pytest.raises(RelayDead):
        await asyncio.wait_for(session(journal, Gateway(), silence_s=0.2).run(Gateway().said()), 5)


async def test_any_word_is_a_sign_of_life(journal: Journal) -> None:
    """`alive` keeps a relay that waits for its receiver; without events silence is no death."""
    await fill(journal, 10)
    gateway = Gateway()
    running = asyncio.create_task(session(journal, gateway, silence_s=0.4).run(gateway.said()))
    for _ in range(8):
        await asyncio.wait({running}, timeout=0.1)
        gateway.up.put_nowait(relay_pb2.RelayUp(alive=relay_pb2.Alive()))
    assert not running.done()
    with pytest.raises(RelayDead):
        await asyncio.wait_for(running, 5)
    idle = session(journal, Gateway(), silence_s=0.1)
    turn = journal.turn("r1").turn
    await journal.abandon(turn, request_id="r1", generation=1, reason="gone")
    waiting = asyncio.create_task(idle.run(Gateway().said()))
    done, _ = await asyncio.wait({waiting}, timeout=0.5)
    assert not done
    idle.end()
    await waiting


async def test_the_window_is_1_mib_too(journal: Journal) -> None:
    """Large events stop at a MiB beyond the mark, one at least always goes."""
    await fill(journal, 600_000, 600_000, 600_000, 10)
    gateway = Gateway()
    relaying = session(journal, gateway)
    running = asyncio.create_task(relaying.run(gateway.said()))
    await asyncio.wait({running}, timeout=0.3)
    assert gateway.seqs == [1]
    ack = relay_pb2.Ack(request_id="r1", generation=1, seq=1)
    gateway.up.put_nowait(relay_pb2.RelayUp(ack=ack))
    await asyncio.wait({running}, timeout=0.3)
    assert gateway.seqs == [1, 2]
    relaying.end()
    await running


async def test_an_ack_of_what_was_never_sent_settles_nothing_more(journal: Journal) -> None:
    """A mark beyond everything is cut to what is there, whatever number it is."""
    await fill(journal, 10)
    gateway = Gateway()
    relaying = session(journal, gateway)
    running = asyncio.create_task(relaying.run(gateway.said()))
    await asyncio.wait({running}, timeout=0.2)
    ack = relay_pb2.Ack(request_id="r1", generation=1, seq=2**64 - 1)
    gateway.up.put_nowait(relay_pb2.RelayUp(ack=ack))
    turn = journal.turn("r1").turn
    await asyncio.wait({running}, timeout=0.2)
    await journal.finish(turn, final(), 1)
    assert journal.turn("r1").acked_seq == 1
    assert journal.has_undelivered()
    relaying.end()
    await running
