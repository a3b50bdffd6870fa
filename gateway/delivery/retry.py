"""Trying an event again after an attempt has failed.

Entered only then: the happy path does not pay for it.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_result

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.policy import Policy

_ENOUGH_DOUBLINGS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Repeats the attempts of one event until it is settled or the policy is spent.

    Attributes:
        failed: told of every failure that is going to be repeated.
        stopping: True ends it after the attempt in flight.
    """

    policy: Policy
    failed: Callable[[Answer], None]
    stopping: Callable[[], bool]

    async def run(self, first: Answer, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer that settled it, or the last failure.

        `first` is the failure at hand; an attempt never comes earlier than the
        Retry-After of the failure before it.
        """
        at_hand = [first]
        since_s = time.monotonic()

        async def step() -> Answer:
            return at_hand.pop() if at_hand else await attempt()

        retrying = AsyncRetrying(
            retry=retry_if_result(_to_be_repeated),
            stop=lambda state: self._spent(state, since_s),
            wait=self._wait_s,
            before_sleep=lambda state: self.failed(_answer(state)),
            retry_error_callback=_answer,
        )
        answer: Answer = await retrying(step)
        return answer

    def _spent(self, state: RetryCallState, since_s: float) -> bool:
        most = self.policy.max_attempts
        if self.stopping() or (most is not None and state.attempt_number >= most):
            return True
        return time.monotonic() - since_s >= self.policy.budget_s

    def _wait_s(self, state: RetryCallState) -> float:
        """Full jitter over a doubling window, never below Retry-After."""
        doublings = min(state.attempt_number - 1, _ENOUGH_DOUBLINGS)
        window_s = min(self.policy.first_wait_s * 2**doublings, self.policy.longest_wait_s)
        jitter_s = random.uniform(0, window_s)  # noqa: S311 - spreads load, guards nothing
        return max(_answer(state).retry_after_s, jitter_s)


def _to_be_repeated(answer: Answer) -> bool:
    return answer.verdict is Verdict.RETRY


def _answer(state: RetryCallState) -> Answer:
    assert state.outcome is not None  # tenacity asks only after an attempt
    answer: Answer = state.outcome.result()
    return answer
