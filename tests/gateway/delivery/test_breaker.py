"""The breaker alone: when it opens, who probes, when it closes."""

import asyncio

import pytest

from gateway.delivery.breaker import Breaker

WAIT_S = 0.05


def breaker(**given: float) -> Breaker:
    fields = {"failures": 3, "first_wait_s": WAIT_S, "longest_wait_s": 4 * WAIT_S, "probe_s": 10.0}
    return Breaker(**(fields | given))  # type: ignore[arg-type]  # all numbers


def opened(**given: float) -> Breaker:
    made = breaker(**given)
    for _ in range(3):
        assert made.enter("h") == 0
        made.failed("h")
    return made


async def due(made: Breaker) -> None:
    """Wait as long as it says."""
    await asyncio.sleep(made.enter("h"))


def test_it_opens_after_failures_in_a_row_only() -> None:
    """A success in between forgets all failures before it."""
    made = breaker()
    for _ in range(10):
        made.failed("h")
        made.failed("h")
        made.succeeded("h")
        assert made.enter("h") == 0


def test_an_open_circuit_holds_its_own_host_only() -> None:
    """Other hosts, and the same host on another port, are not asked to wait."""
    made = opened()
    assert 0 < made.enter("h") <= WAIT_S * 1.25
    assert made.enter("g") == 0


async def test_one_probe_goes_and_the_others_wait_for_it() -> None:
    """A host that comes back is not met by everybody at once."""
    made = opened()
    await due(made)
    assert made.enter("h") == 0
    assert made.enter("h") >= 10.0
    made.succeeded("h")
    assert made.enter("h") == 0
    assert made.enter("h") == 0


async def test_the_intervals_grow_to_a_bound() -> None:
    """A host that stays down is left alone longer and longer."""
    made = opened()
    for waits in (2, 4, 4):
        await due(made)
        assert made.enter("h") == 0
        made.failed("h")
        assert waits * WAIT_S * 0.9 <= made.enter("h") <= waits * WAIT_S * 1.25


def test_what_was_under_way_when_it_opened_does_not_count_as_a_probe() -> None:
    """A hundred attempts that fail together open the circuit once."""
    made = opened()
    for _ in range(100):
        made.failed("h")
    assert made.enter("h") <= WAIT_S * 1.25


async def test_a_probe_that_came_to_nothing_lets_another_go() -> None:
    """A cancelled attempt, or a name that could not be resolved, leaves no host shut for ever."""
    made = opened()
    await due(made)
    assert made.enter("h") == 0
    made.left("h")
    assert made.enter("h") == 0


def test_waits_are_spread() -> None:
    """Those who wait do not come at the same moment."""
    made = opened(first_wait_s=60.0, longest_wait_s=600.0)
    waits = [made.enter("h") for _ in range(200)]
    assert min(waits) >= 59.0
    assert max(waits) <= 75.0
    assert max(waits) - min(waits) > 5.0


@pytest.mark.parametrize("hosts", [1, 10])
def test_few_hosts_are_remembered(hosts: int) -> None:
    """Names made up by callers fill no memory; the one that failed last is known longest."""
    made = breaker(hosts=hosts)
    for number in range(1000):
        for _ in range(3):
            made.failed(f"h{number}")
    assert len(made._circuits) == hosts
    assert made.enter("h999") > 0
    assert made.enter("h0") == 0
