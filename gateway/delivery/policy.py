"""How long an attempt may take, and how long an event is tried."""

from dataclasses import dataclass
from typing import Self

from gateway.errors import SettingsError
from gateway.settings import Settings

LONGEST_SILENCE_S = 55.0
"""An agent gives up a relay that holds events and tells nothing of them for 60 s."""
LONGEST_TIMEOUT_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every time and count of delivery.

    Attributes:
        timeout_s: of one attempt, over connect, headers and body together.
        max_attempts: of one event; None: the budget alone ends it.
        budget_s: how long an event is tried, from its first failure.
        first_wait_s, longest_wait_s: the window of the random wait doubles from
            the one to the other.
        longest_sleep_s: a longer wait is the agent's: its turn is parked.
        longest_retry_after_s: a receiver that asks for more gets this.
        attempts_per_origin: in flight at the same time; each has a connection.
        circuit_failures: so many of one host in a row open its circuit.
        circuit_wait_s: an open circuit's first wait before a probe.
        room_wait_s: about how long a turn waits for room to hold its events.
        sealed_wait_s: how long a turn waits whose ticket does not open.
        held_bytes: of all events that are held for their delivery.
    """

    timeout_s: float = 10.0
    max_attempts: int | None = None
    budget_s: float = 24 * 3600.0
    first_wait_s: float = 1.0
    longest_wait_s: float = 600.0
    longest_sleep_s: float = 5.0
    longest_retry_after_s: float = 3600.0
    attempts_per_origin: int = 512
    circuit_failures: int = 5
    circuit_wait_s: float = 60.0
    room_wait_s: float = 1.0
    sealed_wait_s: float = 600.0
    held_bytes: int = 64 * 1024 * 1024

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises SettingsError for a time-out that an agent would not wait for."""
        if settings.webhook_timeout > LONGEST_TIMEOUT_S:
            raise SettingsError(
                f"WEBHOOK_TIMEOUT: at most {LONGEST_TIMEOUT_S:g}s is possible, because an agent "
                "that hears nothing of an event for a minute gives it to another gateway"
            )
        return cls(
            timeout_s=settings.webhook_timeout,
            max_attempts=settings.webhook_max_retries,
            budget_s=settings.webhook_retry_for,
            circuit_failures=settings.webhook_circuit_threshold,
            circuit_wait_s=settings.webhook_circuit_timeout,
        )

    @property
    def name_s(self) -> float:
        """How long a name server may take; a host is not blamed for it, so it ends earlier."""
        return self.timeout_s / 2

    @property
    def longest_gather_s(self) -> float:
        """How long a batch may wait for more, so that it is posted before the agent gives up."""
        return LONGEST_SILENCE_S - self.timeout_s
