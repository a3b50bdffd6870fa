"""Trying an event again after an attempt has failed.

Entered only then: the happy path does not pay for it. Short waits are slept here;
a longer one is the agent's, which keeps it whatever becomes of this gateway.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.policy import Policy

_ENOUGH_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Failures:
    """Of one event, before the attempt at hand: how many, and since when (Unix time).

    They come from the agent, so that waits grow and the budget runs on wherever
    the next attempt is made.
    """

    count: int = 0
    since_s: float = 0.0


NONE_FAILED = Failures()


@dataclass(frozen=True, slots=True)
class Later:
    """The event is to be tried again, no earlier than in `delay_s`, and not from here."""

    delay_s: float
    answer: Answer


@dataclass(frozen=True, slots=True)
class Spent:
    """The event is not to be tried again; `answer` was the last."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Repeats the attempts of one event until it is settled, or left to the agent.

    Attributes:
        failed: told of every failure that is going to be repeated from here.
        stopping: True leaves it to the agent after the attempt in flight.
    """

    policy: Policy
    failed: Callable[[Answer], None]
    stopping: Callable[[], bool]

    async def run(
        self, first: Answer, attempt: Callable[[], Awaitable[Answer]], *, before: Failures
    ) -> Answer | Later | Spent:
        """What settled it, or what is to become of it. `first` is the failure at hand."""
        at_hand = [first]
        since_s = before.since_s or time.time()

        async def step() -> Answer:
            return at_hand.pop() if at_hand else await attempt()

        def ended(state: RetryCallState) -> Later | Spent:
            spent = is_spent(self.policy, Failures(before.count + state.attempt_number, since_s))
            return Spent(_answer(state)) if spent else Later(state.upcoming_sleep, _answer(state))

        def to_be_left(state: RetryCallState) -> bool:
            too_long = state.upcoming_sleep > self.policy.longest_sleep_s
            asked = _answer(state).retry_after_s > 0
            spent = is_spent(self.policy, Failures(before.count + state.attempt_number, since_s))
            return too_long or asked or spent or self.stopping()

        retrying = AsyncRetrying(
            retry=retry_if_result(_to_be_repeated),
            stop=to_be_left,
            wait=lambda state: wait_s(
                self.policy, before.count + state.attempt_number, _answer(state)
            ),
            before_sleep=lambda state: self.failed(_answer(state)),
            retry_error_callback=ended,
        )
        outcome: Answer | Later | Spent = await retrying(step)
        return outcome


def is_spent(policy: Policy, failures: Failures) -> bool:
    """Whether nothing is tried any more after so many failures since then."""
    if policy.max_attempts is not None and failures.count >= policy.max_attempts:
        return True
    return time.time() - failures.since_s >= policy.budget_s


def wait_s(policy: Policy, failures: int, answer: Answer) -> float:
    """Until the next attempt: full jitter over a doubling window, never below Retry-After."""
    doublings = min(failures - 1, _ENOUGH_DOUBLINGS)
    window_s = min(policy.first_wait_s * 2**doublings, policy.longest_wait_s)
    jitter_s = random.uniform(0, window_s)  # noqa: S311 - spreads load, guards nothing
    return max(answer.retry_after_s, jitter_s)


def _to_be_repeated(answer: Answer) -> bool:
    return answer.verdict is Verdict.RETRY


def _answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # tenacity asks only after an attempt
    answer: Answer = state.outcome.result()
    return answer
