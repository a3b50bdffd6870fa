"""The relay as a model with the real code of both sides: whoever dies, hangs or is replaced,
and whatever receivers answer, every turn arrives."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent_runtime.journal.rows import Turn
from gateway.delivery.answer import Answer, Verdict, judge
from gateway.delivery.policy import Policy
from gateway.model import Batch
from gateway.relay.timing import Timing
from tests.e2e.house import DELIVERED, House
from tests.e2e.relayed import Relayed

WHICH = st.integers(0, 99)
STEPS = st.integers(0, 30)
_HOUR_S = 3600.0


def _judged(status: int) -> Answer:
    return judge(status, None, longest_retry_after_s=_HOUR_S)


REJECTED, GONE = _judged(400), _judged(410)
FAILURES = [_judged(500), Answer(Verdict.RETRY, error="no answer within 10 s", blames_host=True)]
WAITS = [
    answer
    for wait_s in (0.005, _HOUR_S)
    for answer in (
        Answer(Verdict.RETRY, 429, "answered 429", wait_s),
        Answer(Verdict.HELD, error="the host failed too often", retry_after_s=wait_s),
    )
]
LAST_WORDS = st.sampled_from([None, DELIVERED, DELIVERED, *FAILURES, *WAITS, REJECTED, GONE])
KINDS = st.sampled_from([(), ("tool.*",)])
BATCHES = st.sampled_from(
    [None, None, Batch(max_events=3, max_wait_ms=0), Batch(max_events=64, max_wait_ms=2)]
)
POLICIES = st.builds(
    Policy,
    first_wait_s=st.just(0.001),
    longest_wait_s=st.just(0.002),
    room_wait_s=st.just(0.003),
    longest_sleep_s=st.sampled_from([0.0, 5.0]),
    max_attempts=st.sampled_from([None, 3]),
    held_bytes=st.sampled_from([100_000, 64 * 1024 * 1024]),
)
TIMINGS = st.builds(
    Timing,
    gather_s=st.just(0.0),
    longest_gather_s=st.sampled_from([0.0, 60.0]),
    alive_s=st.just(0.005),
    linger_s=st.sampled_from([0.0, 60.0]),
)


class BothSides(RuleBasedStateMachine):
    """What happens to a house; the loop stands still between two rules."""

    @initialize(policy=POLICIES, timing=TIMINGS, batch=BATCHES)
    def begin(self, policy: Policy, timing: Timing, batch: Batch | None) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self._build(policy))
        for kinds in ((), ("tool.*",)):
            self.accept(batch, kinds)
            self.emit(-1, 3, large=False)
        self.attach(timing)

    # What the agent does.

    @rule(batch=BATCHES, kinds=KINDS)
    def accept(self, batch: Batch | None, kinds: tuple[str, ...]) -> None:
        self._do(self.house.accept(batch, kinds))

    @rule(which=WHICH, count=st.sampled_from([1, 3, 70]), large=st.booleans())
    def emit(self, which: int, count: int, large: bool) -> None:
        for turn in self._open_turn(which):
            size_bytes = 30_000 if large else 1
            self._do(self.house.append(turn, min(count, 5) if large else count, size_bytes))

    @rule(which=WHICH)
    def end_turn(self, which: int) -> None:
        for turn in self._open_turn(which):
            self._do(self.house.finish(turn))

    # What receivers say.

    @rule(which=WHICH, times=st.sampled_from([1, 2, 5]))
    def take(self, which: int, times: int) -> None:
        self._do(self.house.answer_some(which, DELIVERED, times))

    @rule(times=st.sampled_from([1, 3, 20]))
    def take_everything(self, times: int) -> None:
        for _ in range(times):
            for relay in self.house.relays:
                self.house.say(relay, DELIVERED)
            self._do(self.house.settle_down())

    @rule(which=WHICH, answer=st.sampled_from(FAILURES), times=st.sampled_from([1, 2, 3]))
    def fail(self, which: int, answer: Answer, times: int) -> None:
        self._do(self.house.answer_some(which, answer, times))

    @rule(which=WHICH, answer=st.sampled_from(WAITS))
    def ask_to_wait(self, which: int, answer: Answer) -> None:
        self._do(self.house.answer_some(which, answer, 1))

    @rule(which=WHICH, answer=st.sampled_from([REJECTED, REJECTED, GONE]))
    def refuse(self, which: int, answer: Answer) -> None:
        self._do(self.house.answer_some(which, answer, 1))

    @rule(which=WHICH)
    def time_passes(self, which: int) -> None:
        self._do(self.house.make_due(self._turn(which).request_id))

    # What a user asks for.

    @rule(which=WHICH, back=st.integers(0, 5), batch=BATCHES, other=st.booleans())
    def redeliver(self, which: int, back: int, batch: Batch | None, other: bool) -> None:
        """`other`: to another URL."""
        turn = self._turn(which)
        from_seq = max(1, turn.last_seq - back) if back else 0
        self._do(self.house.redeliver(turn, from_seq, batch, other=other))

    # Who comes, dies and hangs.

    @rule(timing=TIMINGS)
    def attach(self, timing: Timing) -> None:
        self._do(self._attach(timing))

    @rule(which=WHICH, words=LAST_WORDS, steps=STEPS, heard=st.booleans(), timing=TIMINGS)
    def gateway_is_killed(
        self, which: int, words: Answer | None, steps: int, heard: bool, timing: Timing
    ) -> None:
        """`heard`: the agent still hears what it had written."""
        for relay in self._relay(which):
            dying = self.house.kill(relay, words, steps, heard=heard)
            self._do(self._replace(dying, timing))

    @rule(words=LAST_WORDS, steps=STEPS, timing=TIMINGS)
    def gateway_closes(self, words: Answer | None, steps: int, timing: Timing) -> None:
        """What receivers took before it has closed is not sent again."""
        for relay in self.house.living:
            closing = self.house.close_gateway(relay, words or DELIVERED, steps)
            self._do(self._replace(closing, timing))
            for (name, generation), seq in relay.settled.items():
                turn = self.house.journal.turn(name)
                assert turn.generation != generation or turn.acked_seq >= seq

    @rule(which=WHICH, timing=TIMINGS)
    def line_breaks(self, which: int, timing: Timing) -> None:
        for relay in self._relay(which):
            self._do(self._replace(self.house.snap(relay), timing))

    @rule(timing=TIMINGS, taken=st.integers(0, 2), wakes=st.booleans())
    def relay_hangs(self, timing: Timing, taken: int, wakes: bool) -> None:
        self._do(self.house.hang(timing, taken))
        if wakes:
            self.wake(-1)

    @rule(which=WHICH)
    def wake(self, which: int) -> None:
        """Whoever hung goes on as if nothing had been."""
        hung = [relay for relay in self.house.relays if relay.dead.is_set()]
        if hung:
            hung[which % len(hung)].line.hang(hanging=False)
            self._do(self.house.settle_down())

    @rule(words=LAST_WORDS, steps=STEPS, timing=TIMINGS)
    def runtime_is_killed(self, words: Answer | None, steps: int, timing: Timing) -> None:
        self._do(self._replace(self.house.restart(words, steps), timing))

    # What holds.

    @invariant()
    def every_post_was_right(self) -> None:
        self.house.receivers.check_waiting()
        assert not self.house.receivers.faults

    @invariant()
    def marks_pass_nothing_that_no_receiver_settled(self) -> None:
        receivers = self.house.receivers
        for turn in self.house.turns:
            passed = set(receivers.wanted(turn, turn.acked_seq))
            assert passed <= receivers.settled[turn.request_id, turn.generation]

    @invariant()
    def gateways_count_what_they_hold(self) -> None:
        for relay in list(self.house.relays):
            assert relay.held.held_bytes == relay.pending_bytes
            if relay.over:
                assert relay.held.held_bytes == 0
                self.house.relays.remove(relay)

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        try:
            self._do(self.house.deliver_all())
            self.every_post_was_right()
            self.marks_pass_nothing_that_no_receiver_settled()
            self._check_arrived()
            self._do(self.house.rest())
        finally:
            self.runner.run(self.house.close())
            self.runner.close()

    def _check_arrived(self) -> None:
        receivers = self.house.receivers
        for turn in self.house.turns:
            if turn.abandoned is None:
                name, wanted = turn.request_id, receivers.wanted(turn, turn.last_seq)
                assert turn.acked_seq == turn.last_seq == wanted[-1]
                assert set(wanted) <= receivers.delivered[name] | receivers.rejected[name]

    # How it is done.

    async def _build(self, policy: Policy) -> None:
        self.house = House(policy)

    async def _attach(self, timing: Timing) -> None:
        if not self.house.living:
            await self.house.attach(timing)

    async def _replace(self, going: Coroutine[Any, Any, None], timing: Timing) -> None:
        """Another comes at once."""
        await going
        await self._attach(timing)

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        async def do() -> None:
            await work
            await self.house.settle_down()

        self.runner.run(do())

    def _turn(self, which: int) -> Turn:
        return self.house.turns[which % len(self.house.turns)]

    def _open_turn(self, which: int) -> list[Turn]:
        """One, if there is any."""
        turns = [turn for turn in self.house.turns if not turn.ended]
        return [turns[which % len(turns)]] if turns else []

    def _relay(self, which: int) -> list[Relayed]:
        """One, if there is any."""
        relays = self.house.relays
        return [relays[which % len(relays)]] if relays else []


TestBothSides = BothSides.TestCase
TestBothSides.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
