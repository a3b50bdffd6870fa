"""The relay as a model: whatever gateways say and whoever dies, what was promised holds."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent_runtime.journal.cursor import MAX_SEQ
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Turn, is_due
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.relay_slot import RelaySlot, RelayTaken
from agent_runtime.turns.command import check
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.server.relaying import Gateway, Held

T = TypeVar("T")
WHICH = st.integers(0, 99)
_LONG_MS = 3_600_000


@dataclass(frozen=True)
class Word:
    """What a gateway says of a turn that it holds events of."""

    what: str
    count: int = 1
    delay_ms: int = 0
    failure: bool = True

    def say(self, gateway: Gateway, name: str) -> list[int]:
        """The seqs that have arrived by that."""
        match self.what:
            case "ack":
                return gateway.ack(name, self.count)
            case "reject":
                return gateway.reject(name)
            case "fail":
                gateway.fail(name)
            case "park":
                gateway.park(name, delay_ms=self.delay_ms, failure=self.failure)
            case "abandon":
                gateway.abandon(name)
        return []


WORDS = st.one_of(
    st.builds(Word, st.just("ack"), count=st.sampled_from([1, 2, 64])),
    st.builds(Word, st.sampled_from(["reject", "fail", "abandon"])),
    st.builds(
        Word,
        st.just("park"),
        delay_ms=st.sampled_from([0, 10, _LONG_MS]),
        failure=st.booleans(),
    ),
)


def _event(name: str, size: int) -> bytes:
    event = agent_pb2.EventPayload(event_json=b"x" * size)
    return agent_pb2.AgentResponse(request_id=name, event=event).SerializeToString()


class Relaying(RuleBasedStateMachine):
    """A real journal and real sessions; gateways and deaths are made up.

    `settled`: what gateways have settled, by turn and in its generation, of all that they
    were really sent.
    """

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="forge-model-"))
        self.place = self._place()
        self.journal = Journal(self.place)
        self.slot = RelaySlot()
        self.gateways: list[Gateway] = []
        self.names: list[str] = []
        self.wanted: dict[int, bool] = {}
        self.bodies: dict[int, bytes] = {}
        self.settled: dict[str, set[int]] = {}
        self.marks: dict[str, tuple[int, int]] = {}
        for kinds in ((), ("tool.*",)):
            self.accept(ticket=True, kinds=kinds)
            self.emit(len(self.names) - 1, 3, 1)
        self.attach(mortal=False)

    # What the agent does.

    @rule(ticket=st.sampled_from([True, True, False]), kinds=st.sampled_from([(), ("tool.*",)]))
    def accept(self, *, ticket: bool, kinds: tuple[str, ...]) -> None:
        name = f"r{len(self.names)}"
        send = agent_pb2.SendMessageRequest(content="hello")
        command = check(
            agent_pb2.AgentRequest(request_id=name, send_message=send),
            ticket=b"ticket" if ticket else b"",
            options=relay_pb2.DeliveryOptions(kinds=kinds),
        )
        self._do(self.journal.accept(command))
        self.names.append(name)
        self.settled[name] = set()

    @rule(which=WHICH, count=st.sampled_from([1, 3, 70]), size=st.sampled_from([1, 500_000]))
    def emit(self, which: int, count: int, size: int) -> None:
        name = self._open_turn(which)
        if name is None:
            return
        turn = self.journal.turn(name)
        wanted = [not turn.kinds or number % 2 == 0 for number in range(count)]
        self._do(self._append(turn, wanted[:3] if size > 1 else wanted, size))

    @rule(which=WHICH)
    def finish(self, which: int) -> None:
        name = self._open_turn(which)
        if name is not None:
            self._do(self._finish(name))

    # What gateways do. The newest lives, if any does; older ones are dead, and may still talk.

    @rule(mortal=st.booleans())
    def attach(self, *, mortal: bool) -> None:
        self._do(self._attach(0.02 if mortal else 60))

    @rule(who=WHICH, which=WHICH, word=WORDS)
    def say(self, who: int, which: int, word: Word) -> None:
        for gateway, name in self._held(who, which):
            self._do(self._say(gateway, name, word))

    @rule(who=WHICH, which=WHICH)
    def fail_and_then_arrive(self, who: int, which: int) -> None:
        for gateway, name in self._held(who, which):
            self._do(self._say(gateway, name, Word("fail")))
            self._do(self._say(gateway, name, Word("ack")))

    @rule(who=WHICH, which=WHICH)
    def acknowledge_what_was_not_sent(self, who: int, which: int) -> None:
        for gateway, name in self._held(who, which):
            self.emit(which, 70, 1)
            held = gateway.turns[name]
            self._settled(name, held, [event.seq for event in held.pending])
            held.pending.clear()
            ack = relay_pb2.Ack(request_id=name, generation=held.opened.generation, seq=MAX_SEQ)
            gateway.say(relay_pb2.RelayUp(ack=ack))
            self._do(self._settle_down())

    @rule(who=WHICH, which=WHICH, taken_over=st.booleans())
    def park_while_the_disk_is_slow(self, who: int, which: int, *, taken_over: bool) -> None:
        for gateway, name in self._held(who, which):
            if not gateway.dead.is_set():
                self._do(self._park_slowly(gateway, name, taken_over=taken_over))

    # What a user asks for.

    @rule(which=WHICH, back=st.integers(0, 5), ticket=st.booleans())
    def redeliver(self, which: int, back: int, *, ticket: bool) -> None:
        turn = self.journal.turn(self.names[which % len(self.names)])
        if turn.ticket is None and not ticket:
            return
        from_seq = max(1, turn.last_seq - back) if back else 0
        given = b"other" if ticket else None
        self._do(self._redeliver(turn.request_id, from_seq, given))

    @rule(who=WHICH, which=WHICH, word=WORDS)
    def redeliver_while_a_gateway_speaks(self, who: int, which: int, word: Word) -> None:
        """Of the generation before, at once and much later: it changes nothing, and what is
        said of the new one counts."""
        for gateway, name in self._held(who, which):
            before = gateway.turns[name].opened.generation
            self._do(self._redeliver_amid(gateway, name, word))
            late = relay_pb2.Ack(request_id=name, generation=before, seq=MAX_SEQ)
            gateway.say(relay_pb2.RelayUp(ack=late))
            self._do(self._settle_down())
            if gateway.turns[name].pending:
                self._do(self._say(gateway, name, Word("ack")))

    # Who dies.

    @rule(which=WHICH, word=WORDS)
    def another_takes_over(self, which: int, word: Word) -> None:
        """The one before is silent until it is dead; then it says something after all."""
        if self.gateways and not self.gateways[-1].dead.is_set():
            self._do(self.gateways.pop().hang_up())
        self.attach(mortal=True)
        self._do(self._wait_dead(self.gateways[-1]))
        self.attach(mortal=False)
        for gateway, name in self._held(-2, which):
            self._do(self._say(gateway, name, word))

    @rule(who=WHICH)
    def gateway_is_killed(self, who: int) -> None:
        if self.gateways:
            self._do(self.gateways.pop(who % len(self.gateways)).hang_up())

    @rule(who=WHICH, which=WHICH)
    def runtime_is_killed(self, who: int, which: int) -> None:
        """What is on disk is all that the next one finds; what is being said is lost."""
        for gateway, name in self._held(who, which):
            self._settled(name, gateway.turns[name], gateway.ack(name, 1))
        place = self._place()
        for file in ("journal.db", "journal.db-wal"):
            shutil.copyfile(self.place / file, place / file)
        self._do(self._end())
        self.place = place
        self.journal = Journal(place)
        self.slot = RelaySlot()

    # What holds.

    @invariant()
    def ids_stand_for_one_content_and_the_final_is_one_and_last(self) -> None:
        for name in self.names:
            rows = self._rows(name)
            finals = [is_final for _, _, is_final in rows]
            assert finals.count(True) <= 1
            assert True not in finals[:-1]
            for seq, body, _ in rows:
                assert self.bodies.setdefault(seq, body) == body

    @invariant()
    def marks_move_forward_and_pass_nothing_that_was_not_settled(self) -> None:
        for name in self.names:
            turn = self.journal.turn(name)
            before = self.marks.get(name, (0, 0))
            assert (turn.generation, turn.acked_seq) >= before
            self.marks[name] = (turn.generation, turn.acked_seq)
            if self.marks[name] != before:
                assert (turn.attempts, turn.first_failure_ms, turn.next_attempt_ms) == (0, 0, 0)
            passed = {seq for seq, _, _ in self._rows(name) if seq <= turn.acked_seq}
            assert not {seq for seq in passed - self.settled[name] if self.wanted[seq]}

    @invariant()
    def a_parked_turn_has_no_window(self) -> None:
        for gateway in self.gateways:
            if gateway.dead.is_set():
                continue
            for number in gateway.session._turns._windows:
                standing = self.journal.outstanding.standing(number)
                assert standing is None or is_due(standing.next_attempt_ms, now_ms())

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        try:
            for name in self.names:
                if not self.journal.turn(name).ended:
                    self._do(self._finish(name))
            self._do(self._deliver_all())
            for name in self.names:
                turn = self.journal.turn(name)
                assert turn.settled
                if turn.ticket is not None and turn.abandoned is None:
                    seqs = {seq for seq, _, _ in self._rows(name) if self.wanted[seq]}
                    assert seqs <= self.settled[name]
        finally:
            self._do(self._end())
            self.runner.close()
            shutil.rmtree(self.folder)

    # How it is done.

    async def _append(self, turn: Turn, wanted: list[bool], size: int) -> None:
        for to_deliver in wanted:
            self.journal.append(turn.turn, _event(turn.request_id, size), wanted=to_deliver)
        await self._settle_down()
        self._note_rows(turn.request_id, wanted)

    async def _finish(self, name: str) -> None:
        final = agent_pb2.AgentResponse(request_id=name, is_final=True)
        await self.journal.finish(self.journal.turn(name).turn, final.SerializeToString(), 1)
        self._note_rows(name, [True])

    async def _deliver_all(self) -> None:
        """A gateway that settles everything: nothing may be left."""
        for left in self.gateways:
            await left.hang_up()
        for number in self.journal.outstanding.undelivered():
            turn = self.journal.outstanding.undelivered_turn(number)
            assert turn is not None
            if not is_due(turn.next_attempt_ms, now_ms()):
                await self._redeliver(turn.request_id, 0, None)
        self.gateways.clear()
        gateway = await self._attach(60)
        assert gateway is not None
        async with asyncio.timeout(10):
            while self.journal.outstanding.has_unsettled():
                for name, held in gateway.turns.items():
                    self._settled(name, held, gateway.ack(name, 64))
                await self._settle_down()
            await gateway.idle.wait()

    async def _attach(self, silence_s: float) -> Gateway | None:
        try:
            gateway = Gateway(self.journal, self.slot, silence_s=silence_s)
        except RelayTaken:
            assert self.gateways
            return None
        self.gateways.append(gateway)
        await self._settle_down()
        return gateway

    async def _say(self, gateway: Gateway, name: str, word: Word) -> None:
        """A relay that lives is heard; of one that is dead only what has arrived."""
        dead, held, before = gateway.dead.is_set(), gateway.turns[name], self.journal.turn(name)
        arrived = word.say(gateway, name)
        self._settled(name, held, arrived)
        await self._settle_down()
        after = self.journal.turn(name)
        if dead and not arrived:
            assert after == before
        elif arrived and not dead and held.opened.generation == before.generation:
            assert after.acked_seq >= arrived[-1]

    async def _park_slowly(self, gateway: Gateway, name: str, *, taken_over: bool) -> None:
        """Its turn changes, or another relay comes, before the park is on disk."""
        turn, held = self.journal.turn(name), gateway.turns[name]
        heard = held.opened.generation == turn.generation
        heard &= held.pending[0].seq > turn.acked_seq
        go_on = threading.Event()
        watch = self.journal.watch()
        if not turn.ended:
            self.journal.append(turn.turn, _event(name, 1))
            await self._steps()
        slow = self.journal._writer.submit(lambda _: go_on.wait(10))
        gateway.park(name, delay_ms=_LONG_MS)
        try:
            if not turn.ended:
                await watch.changed()
            await self._steps()
            if taken_over:
                self.gateways.remove(gateway)
                await gateway.hang_up()
                self.gateways.append(Gateway(self.journal, self.slot))
                await self._steps()
        finally:
            watch.close()
            go_on.set()
        await slow
        await self._settle_down()
        if not turn.ended:
            self._note_rows(name, [True])
        if heard and not gateway.dead.is_set():
            after = self.journal.turn(name)
            assert after.abandoned or not is_due(after.next_attempt_ms, now_ms())

    async def _redeliver(self, name: str, from_seq: int, ticket: bytes | None) -> None:
        before = self.journal.turn(name)
        generation = await self.journal.redeliver(name, from_seq, ticket)
        turn = self.journal.turn(name)
        assert generation == turn.generation == before.generation + 1
        up_to = min(from_seq - 1, before.acked_seq) if from_seq else turn.acked_seq
        self.settled[name] = {seq for seq, _, _ in self._rows(name) if seq <= up_to}

    async def _redeliver_amid(self, gateway: Gateway, name: str, word: Word) -> None:
        redelivering = asyncio.ensure_future(self._redeliver(name, 1, None))
        await asyncio.sleep(0)
        word.say(gateway, name)
        await redelivering
        await self._settle_down()
        turn = self.journal.turn(name)
        assert (turn.abandoned, turn.attempts, turn.next_attempt_ms) == (None, 0, 0)

    async def _wait_dead(self, gateway: Gateway) -> None:
        """If it has turns open, and can die."""
        if gateway.session._silence_s < 1 and gateway.session._turns.any_open:
            async with asyncio.timeout(5):
                await gateway.dead.wait()

    async def _end(self) -> None:
        for gateway in self.gateways:
            await gateway.hang_up()
        self.gateways.clear()
        await self.journal.close()

    async def _settle_down(self) -> None:
        """What was said has been heard, written, and told."""
        for _ in range(2):
            await self._steps()
            await self.journal.caught_up()

    async def _steps(self) -> None:
        """Every task has done what it can do without waiting."""
        for _ in range(10):
            await asyncio.sleep(0)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        async def do() -> T:
            try:
                return await work
            finally:
                if not self.journal._writer._closing:
                    await self._settle_down()

        return self.runner.run(do())

    def _place(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))

    def _open_turn(self, which: int) -> str | None:
        names = [name for name in self.names if not self.journal.turn(name).ended]
        return names[which % len(names)] if names else None

    def _held(self, who: int, which: int) -> list[tuple[Gateway, str]]:
        """A turn that a gateway holds events of, if there is one."""
        if not self.gateways:
            return []
        gateway = self.gateways[who % len(self.gateways)]
        names = [name for name, held in gateway.turns.items() if held.pending]
        return [(gateway, names[which % len(names)])] if names else []

    def _settled(self, name: str, held: Held, seqs: list[int]) -> None:
        """A receiver has had its say about these; nobody asks what it said before a redelivery."""
        if held.opened.generation == self.journal.turn(name).generation:
            self.settled[name].update(seqs)

    def _rows(self, name: str) -> list[tuple[int, bytes, bool]]:
        cursor = self.journal.cursor(self.journal.turn(name).turn, None)
        rows = []
        while taken := cursor.take():
            rows += [(row.seq, row.body, row.response.is_final) for row in taken]
        return rows

    def _note_rows(self, name: str, wanted: list[bool]) -> None:
        """What was just appended, and whether it is to be delivered."""
        seqs = [seq for seq, _, _ in self._rows(name)][-len(wanted) :]
        self.wanted.update(zip(seqs, wanted, strict=True))


TestRelaying = Relaying.TestCase
TestRelaying.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
