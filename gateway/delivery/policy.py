"""How long an attempt may take, and how long an event is tried."""

from dataclasses import dataclass
from typing import Self

from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every time and count of delivery.

    Attributes:
        timeout_s: of one attempt, over connect, headers and body together.
        max_attempts: of one event; None: the budget alone ends it.
        budget_s: how long an event is tried, from its first failure.
        first_wait_s, longest_wait_s: the window of the random wait doubles from
            the one to the other.
        longest_retry_after_s: a receiver that asks for more gets this.
    """

    timeout_s: float = 10.0
    max_attempts: int | None = None
    budget_s: float = 24 * 3600.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 600.0
    longest_retry_after_s: float = 3600.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(timeout_s=settings.webhook_timeout, max_attempts=settings.webhook_max_retries)
