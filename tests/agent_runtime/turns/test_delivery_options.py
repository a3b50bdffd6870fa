"""What a message asks of its delivery, applied before anything is journalled."""

import asyncio
from pathlib import Path

import pytest

from agent_runtime.backends.protocol import TurnSink
from agent_runtime.errors import Invalid
from agent_runtime.model import BackendEvent, Kind, TurnEnd
from agent_runtime.turns.coalescer import MAX_BYTES, Coalescer
from agent_runtime.turns.command import check
from agent_runtime.turns.kinds import wanted_kinds
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.turns.bench import bench
from tests.agent_runtime.turns.scripted import COMPLETED, ScriptedBackend


def delta(text: str, kind: Kind = Kind.TEXT_DELTA) -> BackendEvent:
    return BackendEvent("text", f'"{text}"'.encode(), kind)


def command() -> agent_pb2.AgentRequest:
    send = agent_pb2.SendMessageRequest(content="hello")
    return agent_pb2.AgentRequest(request_id="r1", send_message=send)


async def says(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
    for text in ("a", "b"):
        await sink.emit(delta(text))
    await sink.emit(BackendEvent("tool", b"{}", Kind.TOOL_STARTED))
    for text in ("c", "d"):
        await sink.emit(delta(text))
    await sink.emit(delta("e", Kind.REASONING_DELTA))
    return COMPLETED


@pytest.mark.parametrize(
    ("coalesce_ms", "told"),
    [
        (0, ['"a"', '"b"', "{}", '"c"', '"d"', '"e"']),
        (5000, ['"ab"', "{}", '"cd"', '"e"']),
    ],
)
async def test_neighbouring_deltas_are_one_event(
    tmp_path: Path, coalesce_ms: int, told: list[str]
) -> None:
    """In order, of one kind each, none left out, all before the final; unmerged unless asked."""
    async with bench(tmp_path, says) as b:
        options = relay_pb2.DeliveryOptions(coalesce_ms=coalesce_ms)
        await b.runner.submit(check(command(), options=options))
        await b.until("r1")
        rows = b.journal.cursor(b.journal.turn("r1").turn, None).take()
        assert [row.response.event.event_json.decode() for row in rows[:-1]] == told


async def test_a_delta_is_held_back_no_longer_than_asked(tmp_path: Path) -> None:
    """Nothing has to follow it."""
    going_on = asyncio.Event()

    async def pausing(_: ScriptedBackend, content: str, sink: TurnSink) -> TurnEnd:
        await sink.emit(delta("a"))
        await going_on.wait()
        return COMPLETED

    async with bench(tmp_path, pausing) as b:
        options = relay_pb2.DeliveryOptions(coalesce_ms=50)
        await b.runner.submit(check(command(), options=options))
        await b.until_prompted("hello")
        assert not b.journal.turn("r1").ended
        going_on.set()
        await b.until("r1")


async def test_a_merged_event_is_bounded() -> None:
    """However much comes at once: an event is never merged beyond the bound."""
    put: list[BackendEvent] = []

    def merge(first: BackendEvent, second: BackendEvent) -> BackendEvent:
        return BackendEvent("text", first.event_json + second.event_json, first.kind)

    coalescer = Coalescer(within_s=60, merge=merge, put=put.append)
    for _ in range(100):
        coalescer.add(BackendEvent("text", b"x" * 1000, Kind.TEXT_DELTA))
    coalescer.flush()
    assert sum(len(event.event_json) for event in put) == 100_000
    assert max(len(event.event_json) for event in put) <= MAX_BYTES


async def test_kinds_are_kept_but_not_delivered(tmp_path: Path) -> None:
    """Replay has all of them; a relay gets what was asked for, and the final."""
    async with bench(tmp_path, says) as b:
        options = relay_pb2.DeliveryOptions(kinds=["tool.*"])
        await b.runner.submit(check(command(), ticket=b"t", options=options))
        await b.until("r1")
        turn = b.journal.turn("r1")
        assert len(b.journal.cursor(turn.turn, None).take()) == 7
        wanted = b.journal.cursor(turn.turn, None, wanted=True).take()
        assert [(row.response.event.kind, row.response.is_final) for row in wanted] == [
            ("tool.started", False),
            ("", True),
        ]


def test_globs_pick_kinds() -> None:
    """None asks for all."""
    assert wanted_kinds([]) == frozenset(Kind)
    assert wanted_kinds(["tool.*", "usage"]) == {
        Kind.TOOL_STARTED,
        Kind.TOOL_FINISHED,
        Kind.USAGE,
    }
    assert wanted_kinds(["nothing.like.it"]) == frozenset()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (relay_pb2.DeliveryOptions(kinds=["a b"]), "kinds"),
        (relay_pb2.DeliveryOptions(kinds=["x"] * 33), "kinds"),
        (relay_pb2.DeliveryOptions(kinds=[""]), "kinds"),
        (relay_pb2.DeliveryOptions(coalesce_ms=-1), "coalesce_ms"),
        (relay_pb2.DeliveryOptions(coalesce_ms=10_001), "coalesce_ms"),
    ],
)
def test_options_out_of_range_are_refused_by_name(
    options: relay_pb2.DeliveryOptions, word: str
) -> None:
    """INVALID_ARGUMENT says which field it is."""
    with pytest.raises(Invalid, match=word):
        check(command(), options=options)
