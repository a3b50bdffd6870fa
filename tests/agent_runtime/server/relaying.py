"""A gateway in the same process: what a relay session writes to it, what it says up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from agent_runtime.journal.journal import Journal
from agent_runtime.server.relay_session import RelayDead, RelaySession
from agent_runtime.server.relay_slot import RelaySlot
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2


@dataclass
class Held:
    """A turn as it was opened, and what has come of it that is not settled."""

    opened: relay_pb2.OpenTurn
    pending: list[agent_pb2.AgentResponse] = field(default_factory=list)
    seen_seq: int = 0
    parked: bool = False

    @property
    def pending_bytes(self) -> int:
        return sum(event.ByteSize() for event in self.pending)


class Gateway:
    """Speaks with a real session over its iterator and its `write`; checks what it is sent."""

    def __init__(
        self, journal: Journal, slot: RelaySlot, *, silence_s: float = 60, stall_s: float = 60
    ) -> None:
        """Raises RelayTaken."""
        self.turns: dict[str, Held] = {}
        self.opened: list[relay_pb2.OpenTurn] = []
        self.idle = asyncio.Event()
        self.changed = asyncio.Condition()
        self._slot = slot
        self._up: asyncio.Queue[relay_pb2.RelayUp | None] = asyncio.Queue()
        self.session = slot.enter(
            lambda: RelaySession(
                journal=journal,
                hello=relay_pb2.Hello(agent_id="agent-1"),
                write=self._write,
                silence_s=silence_s,
                stall_s=stall_s,
            )
        )
        self.dead = asyncio.Event()
        self.reason = ""
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self.session.run(self._ups(), died=self._died)
        except RelayDead as dead:
            self.reason = str(dead)
        finally:
            self._slot.leave(self.session)

    def _died(self) -> None:
        self._slot.died(self.session)
        self.dead.set()

    async def _ups(self) -> AsyncIterator[relay_pb2.RelayUp]:
        while (up := await self._up.get()) is not None:
            yield up

    async def _write(self, down: relay_pb2.RelayDown) -> None:
        which = down.WhichOneof("message")
        if which == "turn":
            self._open(down.turn)
        elif which == "events":
            for event in down.events.events:
                self._add(event)
        elif which == "idle":
            self.idle.set()
        async with self.changed:
            self.changed.notify_all()

    def _open(self, opened: relay_pb2.OpenTurn) -> None:
        before = self.turns.get(opened.request_id)
        assert before is None or before.parked or opened.generation > before.opened.generation
        self.idle.clear()
        self.opened.append(opened)
        self.turns[opened.request_id] = Held(opened, seen_seq=opened.acked_seq)

    def _add(self, event: agent_pb2.AgentResponse) -> None:
        held = self.turns[event.request_id]
        assert event.seq > held.seen_seq
        held.seen_seq = event.seq
        if held.parked:
            return
        held.pending.append(event)
        assert len(held.pending) <= 64
        assert held.pending_bytes <= 1024 * 1024 + 64 * 16 or len(held.pending) == 1

    # What it says.

    def ack(self, request_id: str, count: int) -> list[int]:
        """Settle the first so many; returns their seqs."""
        held = self.turns[request_id]
        settled, held.pending = held.pending[:count], held.pending[count:]
        if settled:
            ack = relay_pb2.Ack(
                request_id=request_id, generation=held.opened.generation, seq=settled[-1].seq
            )
            self.say(relay_pb2.RelayUp(ack=ack))
        return [event.seq for event in settled]

    def reject(self, request_id: str) -> list[int]:
        """Refuse the first for good; returns its seq."""
        held = self.turns[request_id]
        refused, held.pending = held.pending[:1], held.pending[1:]
        for event in refused:
            reject = relay_pb2.Reject(
                request_id=request_id,
                generation=held.opened.generation,
                seq=event.seq,
                status=403,
            )
            self.say(relay_pb2.RelayUp(reject=reject))
        return [event.seq for event in refused]

    def fail(self, request_id: str) -> None:
        """The first failed and is tried again at once."""
        held = self.turns[request_id]
        for event in held.pending[:1]:
            failed = relay_pb2.Failed(
                request_id=request_id,
                generation=held.opened.generation,
                seq=event.seq,
                last_status=500,
                last_error="HTTP 500",
            )
            self.say(relay_pb2.RelayUp(failed=failed))

    def park(
        self, request_id: str, *, delay_ms: int, attempts: int = 1, failure: bool = True
    ) -> None:
        """Let go of the turn."""
        held = self.turns[request_id]
        for event in held.pending[:1]:
            park = relay_pb2.Park(
                request_id=request_id,
                generation=held.opened.generation,
                seq=event.seq,
                delay_ms=delay_ms,
                attempts=attempts,
                last_status=503,
                last_error="HTTP 503",
                failure=failure,
            )
            held.parked = True
            held.pending.clear()
            self.say(relay_pb2.RelayUp(park=park))

    def abandon(self, request_id: str) -> None:
        held = self.turns[request_id]
        held.parked = True
        held.pending.clear()
        abandon = relay_pb2.Abandon(
            request_id=request_id, generation=held.opened.generation, reason="HTTP 410"
        )
        self.say(relay_pb2.RelayUp(abandon=abandon))

    def alive(self) -> None:
        self.say(relay_pb2.RelayUp(alive=relay_pb2.Alive()))

    def say(self, up: relay_pb2.RelayUp) -> None:
        self._up.put_nowait(up)

    async def until_pending(self, request_id: str, count: int = 1) -> Held:
        """So many events of the turn are held."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(
                lambda: (
                    request_id in self.turns
                    and not self.turns[request_id].parked
                    and len(self.turns[request_id].pending) >= count
                )
            )
        return self.turns[request_id]

    async def dead_within(self, timeout_s: float) -> bool:
        """Whether the session takes it for dead."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.dead.wait()
        return self.dead.is_set()

    async def over(self) -> None:
        """Its call has ended."""
        async with asyncio.timeout(20):
            await asyncio.wait({self._task})

    def close(self) -> None:
        """Say nothing more, and half-close."""
        self._up.put_nowait(None)

    async def hang_up(self) -> None:
        """The stream breaks."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
