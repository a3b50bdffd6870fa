"""When an event is tried again, and when no more."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.policy import Policy
from gateway.delivery.retry import Retries

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

    async def run(self, policy: Policy, *, first: Answer = FAILED) -> Answer:
        retries = Retries(policy=policy, failed=self._tell, stopping=lambda: self.stopping)
        return await retries.run(first, self)

    def _tell(self, answer: Answer) -> None:
        self.failures.append(answer)
        self.failed.set()


async def test_it_goes_on_until_one_attempt_settles_it() -> None:
    """Every failure that is repeated is told, and nothing is tried after a success."""
    attempts = Attempts(FAILED, FAILED, DELIVERED)
    assert await attempts.run(Policy(first_wait_s=0.001)) == DELIVERED
    assert len(attempts.at_s) == 3
    assert attempts.failures == [FAILED] * 3


@pytest.mark.parametrize("verdict", [Verdict.REJECTED, Verdict.GONE])
async def test_it_ends_with_any_verdict_but_retry(verdict: Verdict) -> None:
    """A rejection after failures is a rejection."""
    attempts = Attempts(FAILED, Answer(verdict, 400))
    assert (await attempts.run(Policy(first_wait_s=0.001))).verdict is verdict


async def test_most_attempts_count_the_first() -> None:
    """WEBHOOK_MAX_RETRIES is the number of attempts altogether."""
    attempts = Attempts(FAILED)
    answer = await attempts.run(Policy(first_wait_s=0.001, max_attempts=4))
    assert answer == FAILED
    assert len(attempts.at_s) == 3


async def test_the_budget_ends_it() -> None:
    """An event is not tried for ever."""
    attempts = Attempts(FAILED)
    async with asyncio.timeout(5):
        answer = await attempts.run(Policy(first_wait_s=0.01, longest_wait_s=0.02, budget_s=0.2))
    assert answer == FAILED
    assert attempts.at_s


async def test_fault_06_never_earlier_than_retry_after() -> None:
    """Retry-After is a floor under the jitter, for the attempt after it."""
    began_s = time.monotonic()
    attempts = Attempts(DELIVERED)
    await attempts.run(
        Policy(first_wait_s=0.001), first=Answer(Verdict.RETRY, 429, retry_after_s=0.3)
    )
    assert attempts.at_s[0] - began_s >= 0.3


async def test_waits_spread_and_grow_to_a_bound() -> None:
    """Full jitter: anywhere between nothing and a window that doubles up to its bound."""
    attempts = Attempts(*[FAILED] * 12, DELIVERED)
    await attempts.run(Policy(first_wait_s=0.002, longest_wait_s=0.02))
    waits_s = [
        after - before for before, after in zip(attempts.at_s, attempts.at_s[1:], strict=False)
    ]
    assert max(waits_s) < 1.0
    assert len({round(wait_s, 6) for wait_s in waits_s}) > 1


async def test_stopping_ends_it_after_the_attempt_in_flight() -> None:
    """A gateway that shuts down waits for no backoff."""
    attempts = Attempts(FAILED)
    attempts.stopping = True
    async with asyncio.timeout(1):
        assert await attempts.run(Policy(first_wait_s=600)) == FAILED
    assert not attempts.at_s


async def test_a_wait_can_be_cancelled() -> None:
    """Ten minutes of backoff end at once with their task."""
    attempts = Attempts(FAILED)
    task = asyncio.create_task(
        attempts.run(Policy(), first=Answer(Verdict.RETRY, 429, retry_after_s=600))
    )
    await attempts.failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
