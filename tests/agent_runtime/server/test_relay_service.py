"""relay.v1 of a real runtime, as a gateway sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest

from agent_runtime.server.relay_service import MAX_REPLAYS, MAX_TURNS
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.peers.runtime import (
    CLIENT,
    RELAY,
    Runtime,
    interrupt,
    message,
    relay_stub,
    replay,
    submit,
)

Call = Any  # grpc.aio.StreamStreamCall: its type is generic in the stubs only


@asynccontextmanager
async def relaying(stub: Any) -> AsyncIterator[Call]:
    """A Relay stream after its hello."""
    call = stub.Relay(metadata=RELAY, timeout=60)
    try:
        hello = await call.read()
        assert hello.hello.agent_id == "agent-1"
        yield call
    finally:
        call.cancel()


async def until_free(stub: Any) -> None:
    """The runtime has noticed that its relay is gone."""
    async with asyncio.timeout(10):
        while (await submit(stub, message("free", "echo hi"))).relay_attached:
            await asyncio.sleep(0.01)


async def read(call: Call, kind: str) -> relay_pb2.RelayDown:
    """The next message of that kind; others are passed over."""
    async with asyncio.timeout(20):
        while True:
            down = await call.read()
            assert down is not grpc.aio.EOF, await call.code()
            if down.WhichOneof("message") == kind:
                return cast(relay_pb2.RelayDown, down)


def ack(seq: int, *, request_id: str = "r1", generation: int = 1) -> relay_pb2.RelayUp:
    return relay_pb2.RelayUp(
        ack=relay_pb2.Ack(request_id=request_id, generation=generation, seq=seq)
    )


async def test_submit_is_idempotent(runtime: Runtime) -> None:
    """ACCEPTED, then DUPLICATE; other content CONFLICT; the answer tells of the relay."""
    async with relay_stub(runtime) as stub:
        first = await submit(stub, message("r1", "echo hi"), ticket=b"t")
        again = await submit(stub, message("r1", "echo hi"), ticket=b"other")
        other = await submit(stub, message("r1", "echo ho"))
    kinds = relay_pb2.SubmitResponse
    assert [first.result, again.result, other.result] == [
        kinds.RESULT_ACCEPTED,
        kinds.RESULT_DUPLICATE,
        kinds.RESULT_CONFLICT,
    ]
    assert not first.relay_attached


@pytest.mark.parametrize(
    ("request_", "word"),
    [(message("", "x"), "request_id"), (message("r1", ""), "content")],
)
async def test_bad_submits_name_the_field(
    runtime: Runtime, request_: agent_pb2.AgentRequest, word: str
) -> None:
    """INVALID_ARGUMENT with the field's name."""
    async with relay_stub(runtime) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match=word) as refused:
            await submit(stub, request_)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_window_is_64_events_beyond_the_mark(runtime: Runtime) -> None:
    """A gateway that acknowledges nothing gets 64 events; every mark makes room for more."""
    async with relay_stub(runtime) as stub:
        await submit(stub, message("r1", "seq 1 200"), ticket=b"t")
        await replay(stub, "r1")
        async with relaying(stub) as call:
            turn = (await read(call, "turn")).turn
            assert (turn.ticket, turn.generation, turn.acked_seq) == (b"t", 1, 0)
            assert len((await read(call, "events")).events.events) == 64
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call.read(), 0.5)
        await until_free(stub)
    async with relay_stub(runtime) as stub, relaying(stub) as call:
        seqs: list[int] = []
        while not seqs or seqs[-1] < 201:
            seqs += [e.seq for e in (await read(call, "events")).events.events]
            await call.write(ack(seqs[-1]))
        assert seqs == list(range(1, 202))
        await read(call, "idle")
        turns = await stub.Turns(relay_pb2.TurnsRequest(request_id="r1"), metadata=RELAY)
        assert turns.turns[0].acked_seq == 201
        assert turns.turns[0].delivery == relay_pb2.DELIVERY_STATE_DELIVERED


async def test_marks_of_another_generation_change_nothing(runtime: Runtime) -> None:
    """Only the generation that was opened counts."""
    async with relay_stub(runtime) as stub, relaying(stub) as call:
        await submit(stub, message("r1", "echo hi"), ticket=b"t")
        await read(call, "events")
        await call.write(ack(99, generation=2))
        await call.write(ack(1))
        async with asyncio.timeout(10):
            while not (turn := await _turn(stub)).acked_seq:
                await asyncio.sleep(0.01)
        assert turn.acked_seq == 1


async def _turn(stub: Any) -> relay_pb2.Turn:
    turns = await stub.Turns(relay_pb2.TurnsRequest(request_id="r1"), metadata=RELAY)
    return cast(relay_pb2.Turn, turns.turns[0])


async def test_one_relay_at_a_time(runtime: Runtime) -> None:
    """The second is refused while the first lives, and let in when it has gone."""
    async with relay_stub(runtime) as stub:
        async with relaying(stub):
            second = stub.Relay(metadata=RELAY, timeout=10)
            with pytest.raises(grpc.aio.AioRpcError):
                await second.read()
            assert await second.code() == grpc.StatusCode.ALREADY_EXISTS
            assert (await submit(stub, message("r1", "echo hi"))).relay_attached
        await until_free(stub)
        async with relaying(stub):
            pass


async def test_rejected_and_abandoned_turns_are_told(runtime: Runtime) -> None:
    """A rejection moves the mark and is kept; an abandoned turn needs no relay."""
    async with relay_stub(runtime) as stub, relaying(stub) as call:
        await submit(stub, message("r1", "echo hi"), ticket=b"t")
        await read(call, "events")
        reject = relay_pb2.Reject(request_id="r1", generation=1, seq=1, status=403)
        await call.write(relay_pb2.RelayUp(reject=reject))
        abandon = relay_pb2.Abandon(request_id="r1", generation=1, reason="410")
        await call.write(relay_pb2.RelayUp(abandon=abandon))
        await read(call, "idle")
        async with asyncio.timeout(10):
            while (await _turn(stub)).delivery != relay_pb2.DELIVERY_STATE_ABANDONED:
                await asyncio.sleep(0.01)
        assert list((await _turn(stub)).rejected_seqs) == [1]


async def test_redeliver_opens_a_delivered_turn_again(runtime: Runtime) -> None:
    """On the attached relay, with the new ticket; unknown turns and large tickets are refused."""
    async with relay_stub(runtime) as stub, relaying(stub) as call:
        await submit(stub, message("r1", "echo hi"), ticket=b"t")
        await settle_all(call)
        again = relay_pb2.RedeliverRequest(request_id="r1", from_seq=2, ticket=b"new")
        answer = await stub.Redeliver(again, metadata=RELAY)
        assert (answer.generation, answer.relay_attached) == (2, True)
        turn = (await read(call, "turn")).turn
        assert (turn.generation, turn.ticket, turn.acked_seq) == (2, b"new", 1)
        events = (await read(call, "events")).events.events
        assert [(got.seq, got.is_final) for got in events] == [(2, True)]
        await call.write(ack(2, generation=2))
        await read(call, "idle")
        for request, code in (
            (relay_pb2.RedeliverRequest(request_id="r9"), grpc.StatusCode.NOT_FOUND),
            (
                relay_pb2.RedeliverRequest(request_id="r1", ticket=b"x" * 9000),
                grpc.StatusCode.INVALID_ARGUMENT,
            ),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Redeliver(request, metadata=RELAY)
            assert refused.value.code() == code


async def settle_all(call: Call) -> None:
    """Acknowledge until nothing is left."""
    while True:
        down = await read(call, "events")
        for event in down.events.events:
            await call.write(ack(event.seq))
            if event.is_final:
                await read(call, "idle")
                return


async def test_replay_follows_without_gap_or_double(runtime: Runtime) -> None:
    """From any seq on, also of all turns; trimmed or unknown is an error by name."""
    async with relay_stub(runtime) as stub:
        await submit(stub, message("r1", "for i in 1 2 3; do echo $i; sleep 0.1; done"))
        live = await replay(stub, "r1")
        assert [r.seq for r in live] == [1, 2, 3, 4]
        later = relay_pb2.ReplayRequest(after_seq=2)
        rest = [r.seq async for b in stub.Replay(later, metadata=RELAY) for r in b.events]
        assert rest == [3, 4]
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await replay(stub, "r9")
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


async def test_replay_of_an_ended_turn_ends(runtime: Runtime) -> None:
    """A reader that comes back with the last id, or any number, is not kept waiting."""
    async with relay_stub(runtime) as stub:
        await submit(stub, message("r1", "echo hi"))
        final = (await replay(stub, "r1"))[-1].seq
        for after in (final, 2**64 - 1):
            request = relay_pb2.ReplayRequest(request_id="r1", after_seq=after, follow=True)
            call = stub.Replay(request, metadata=RELAY, timeout=10)
            assert [batch async for batch in call] == []


async def test_an_event_over_4_mib_keeps_its_type(runtime: Runtime) -> None:
    """It is cut and marked, so that it fits every message on its way."""
    async with relay_stub(runtime) as stub:
        script = """printf '{"type":"big","x":"'; head -c 5000000 /dev/zero | tr '\\0' x"""
        await submit(stub, message("r1", script))
        told = await replay(stub, "r1")
    assert max(response.ByteSize() for response in told) < 4_500_000
    assert told[-1].is_final


async def test_a_client_token_is_refused(runtime: Runtime) -> None:
    """A direct client cannot relay or submit with tickets."""
    async with relay_stub(runtime) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Turns(relay_pb2.TurnsRequest(), metadata=CLIENT)
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_retire_ends_turns_and_stays_to_deliver(runtime: Runtime) -> None:
    """Open turns end interrupted, nothing new is taken, the process ends once all is settled."""
    async with relay_stub(runtime) as stub, relaying(stub) as call:
        await submit(stub, message("r1", "echo hi; sleep 60"), ticket=b"t")
        await read(call, "events")
        await stub.Retire(relay_pb2.RetireRequest(), metadata=RELAY, timeout=20)
        while not (final := (await read(call, "events")).events.events[-1]).is_final:
            pass  # bash may say that its child was terminated
        assert final.outcome == agent_pb2.OUTCOME_INTERRUPTED
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await submit(stub, message("r2", "echo hi"))
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert runtime.process is not None
        assert runtime.process.returncode is None
        await call.write(ack(final.seq))
        assert await asyncio.wait_for(runtime.process.wait(), 10) == 0
    assert (runtime.folder / "state" / "clean").exists()


async def test_turns_are_told_in_pages(runtime: Runtime) -> None:
    """Thousands of them hold nobody up: the newest first, each page in order of arrival."""
    async with relay_stub(runtime) as stub:
        for number in range(MAX_TURNS + 3):
            await submit(stub, interrupt(f"r{number}"))
        newest = await stub.Turns(relay_pb2.TurnsRequest(), metadata=RELAY)
        names = [turn.request_id for turn in newest.turns]
        assert names == [f"r{number}" for number in range(3, MAX_TURNS + 3)]
        older = await stub.Turns(relay_pb2.TurnsRequest(before="r3"), metadata=RELAY)
        assert [turn.request_id for turn in older.turns] == ["r0", "r1", "r2"]
        assert (newest.more, older.more) == (True, False)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Turns(relay_pb2.TurnsRequest(before="r999"), metadata=RELAY)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_readers_leave_room_for_a_relay(runtime: Runtime) -> None:
    """One too many is told to come back; its place is free when another one leaves."""
    follow = relay_pb2.ReplayRequest(follow=True)
    async with relay_stub(runtime) as stub:
        await submit(stub, message("r1", "echo hi"))
        readers: list[Call] = [
            stub.Replay(follow, metadata=RELAY, timeout=60) for _ in range(MAX_REPLAYS)
        ]
        for reader in readers:
            assert (await reader.read()).events
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Replay(follow, metadata=RELAY, timeout=60).read()
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        async with relaying(stub):
            await submit(stub, message("r2", "echo hi"))
        for reader in readers:
            reader.cancel()
        async with asyncio.timeout(10):
            while True:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    again: Call = stub.Replay(follow, metadata=RELAY, timeout=60)
                    assert (await again.read()).events
                    again.cancel()
                    break
                await asyncio.sleep(0.01)
