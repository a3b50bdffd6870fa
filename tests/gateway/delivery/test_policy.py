"""The times and counts of delivery, as settings give them."""

import pytest

from gateway.delivery.breaker import MAX_HOSTS
from gateway.delivery.policy import LONGEST_SILENCE_S, Policy
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.variables import Duration, Patience


def test_settings_become_the_policy() -> None:
    """Each variable ends up where it is meant."""
    policy = Policy.of(
        Settings(
            webhook_timeout=Patience(20),
            webhook_max_retries=3,
            webhook_retry_for=Duration(60),
            webhook_circuit_threshold=7,
            webhook_circuit_timeout=Patience(5),
        )
    )
    assert policy == Policy(
        timeout_s=20, max_attempts=3, budget_s=60, circuit_failures=7, circuit_wait_s=5
    )
    assert Policy.of(Settings()) == Policy()


def test_a_timeout_that_no_agent_waits_for_is_refused() -> None:
    """A relay that holds an event for a minute is taken for dead, and would begin again for
    ever; so an attempt, and a batch that gathers before it, end earlier."""
    with pytest.raises(SettingsError, match="WEBHOOK_TIMEOUT"):
        Policy.of(Settings(webhook_timeout=Patience(46)))
    for timeout_s in (1.0, 10.0, 45.0):
        policy = Policy(timeout_s=timeout_s)
        assert policy.timeout_s + policy.longest_gather_s <= LONGEST_SILENCE_S < 60
        assert policy.name_s < policy.timeout_s


def test_what_the_docs_say_of_what_has_no_setting() -> None:
    """docs/webhooks.md and docs/operations.md: waits over 5 s are parked, the host's Retry-After
    counts for up to an hour, 64 MiB are held, 512 posts go to one host, 4,096 are remembered."""
    policy = Policy()
    assert (policy.longest_sleep_s, policy.longest_wait_s) == (5.0, 600.0)
    assert policy.longest_retry_after_s == 3600.0
    assert policy.held_bytes == 64 * 1024 * 1024
    assert policy.attempts_per_origin == 512
    assert MAX_HOSTS == 4096
