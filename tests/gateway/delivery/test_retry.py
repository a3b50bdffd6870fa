"""When an event is tried again, and when no more."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.policy import Policy
from gateway.delivery.retry import NONE_FAILED, Failures, Later, Retries, Spent

FAILED = Answer(Verdict.RETRY, 503)
DELIVERED = Answer(Verdict.DELIVERED, 200)


class Attempts:
    """Answers in order, the last one for ever, and the times they were asked for."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: Sequence[Answer] = answers
        self.at_s: list[float] = []
        self.failures: list[Answer] = []
        self.stopping = False
        self.failed = asyncio.Event()

    async def __call__(self) -> Answer:
        self.at_s.append(time.monotonic())
        return self._answers[min(len(self.at_s), len(self._answers)) - 1]

    async def run(
        self, policy: Policy, *, first: Answer = FAILED, before: Failures = NONE_FAILED
    ) -> Answer | Later | Spent:
        retries = Retries(policy=policy, failed=self._tell, stopping=lambda: self.stopping)
        return await retries.run(first, self, before=before)

    def _tell(self, answer: Answer) -> None:
        self.failures.append(answer)
        self.failed.set()


async def test_it_goes_on_until_one_attempt_settles_it() -> None:
    """Every failure that is repeated is told, and nothing is tried after a success."""
    attempts = Attempts(FAILED, FAILED, DELIVERED)
    assert await attempts.run(Policy(first_wait_s=0.001)) == DELIVERED
    assert len(attempts.at_s) == 3
    assert attempts.failures == [FAILED] * 3


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.GONE, Verdict.HELD])
async def test_it_ends_with_any_verdict_but_retry(verdict: Verdict) -> None:
    """A rejection after failures is a rejection; a circuit that opened meanwhile is told."""
    answer = Answer(verdict, 400)
    assert await Attempts(FAILED, answer).run(Policy(first_wait_s=0.001)) == answer


async def test_most_attempts_count_the_first() -> None:
    """WEBHOOK_MAX_RETRIES is the number of attempts altogether."""
    attempts = Attempts(FAILED)
    outcome = await attempts.run(Policy(first_wait_s=0.001, max_attempts=4))
    assert outcome == Spent(FAILED)
    assert len(attempts.at_s) == 3


async def test_attempts_of_other_gateways_count() -> None:
    """What the agent has counted goes on, whoever makes the next attempt."""
    attempts = Attempts(FAILED)
    policy = Policy(first_wait_s=0.0001, max_attempts=4)
    assert await attempts.run(policy, before=Failures(2, time.time())) == Spent(FAILED)
    assert len(attempts.at_s) == 1


async def test_the_budget_ends_it() -> None:
    """An event is not tried for ever."""
    attempts = Attempts(FAILED)
    async with asyncio.timeout(5):
        outcome = await attempts.run(Policy(first_wait_s=0.01, longest_wait_s=0.02, budget_s=0.2))
    assert outcome == Spent(FAILED)
    assert attempts.at_s


async def test_the_budget_runs_from_the_first_failure_wherever_that_was() -> None:
    """A day of failures is a day, however many gateways had them; it ends with a failure."""
    policy = Policy(budget_s=3600)
    before = Failures(9, time.time() - 3601)
    assert await Attempts().run(policy, before=before) == Spent(FAILED)


async def test_fault_06_retry_after_is_left_to_the_agent() -> None:
    """What a receiver asks for is a floor that survives this gateway, so it is not slept here."""
    for seconds in (0.5, 3600.0):
        asked = Answer(Verdict.RETRY, 429, retry_after_s=seconds)
        attempts = Attempts()
        outcome = await attempts.run(Policy(), first=asked)
        assert isinstance(outcome, Later)
        assert outcome.delay_s >= seconds
        assert outcome.answer == asked
        assert not attempts.at_s
        assert not attempts.failures


async def test_long_waits_are_left_to_the_agent() -> None:
    """Of a receiver that is down for hours nothing sleeps here, and the window goes on growing."""
    policy = Policy(first_wait_s=1.0, longest_sleep_s=0.0)
    delays = []
    for failures in (0, 3, 9, 200):
        for _ in range(50):
            outcome = await Attempts().run(policy, before=Failures(failures, time.time()))
            assert isinstance(outcome, Later)
            delays.append(outcome.delay_s)
        assert max(delays[-50:]) <= min(2**failures, 600)
    assert max(delays) > 300


async def test_waits_spread_and_grow_to_a_bound() -> None:
    """Full jitter: anywhere between nothing and a window that doubles up to its bound."""
    attempts = Attempts(*[FAILED] * 12, DELIVERED)
    await attempts.run(Policy(first_wait_s=0.002, longest_wait_s=0.02))
    waits_s = [
        after - before for before, after in zip(attempts.at_s, attempts.at_s[1:], strict=False)
    ]
    assert max(waits_s) < 1.0
    assert len({round(wait_s, 6) for wait_s in waits_s}) > 1


async def test_stopping_leaves_it_to_the_agent() -> None:
    """A gateway that shuts down waits for no backoff; the failure and the wait are handed on."""
    attempts = Attempts(FAILED)
    attempts.stopping = True
    async with asyncio.timeout(1):
        assert isinstance(await attempts.run(Policy(first_wait_s=1)), Later)
    assert not attempts.at_s


async def test_a_wait_can_be_cancelled() -> None:
    """Seconds of backoff end at once with their task."""
    attempts = Attempts(FAILED)
    policy = Policy(first_wait_s=600, longest_sleep_s=600)
    task = asyncio.create_task(attempts.run(policy))
    await attempts.failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
