"""The breaker: a host that fails again and again is left alone for a while.

It only delays. What would have been posted waits in its agent's journal, and one
probe at growing intervals finds out whether the host is back.
"""

import random
import time
from collections import OrderedDict
from dataclasses import dataclass

MAX_HOSTS = 4096
"""Failing ones; a host that answers is forgotten."""

_LONGEST_SPREAD_S = 30.0


@dataclass(slots=True)
class _Circuit:
    """Of one failing host. Open once `wait_s` is not 0, and then until a success."""

    failures: int = 0
    wait_s: float = 0.0
    probe_at_s: float = 0.0
    probing: bool = False


class Breaker:
    """The circuits of all hosts that fail. Event loop only."""

    def __init__(
        self,
        *,
        failures: int,
        first_wait_s: float,
        longest_wait_s: float,
        probe_s: float,
        hosts: int = MAX_HOSTS,
    ) -> None:
        """`failures` in a row open a circuit; a probe takes `probe_s` at most."""
        self._failures = failures
        self._first_wait_s = first_wait_s
        self._longest_wait_s = max(longest_wait_s, first_wait_s)
        self._probe_s = probe_s
        self._hosts = hosts
        self._circuits: OrderedDict[str, _Circuit] = OrderedDict()

    def enter(self, host: str) -> float:
        """0: go, and tell what came of it. Else how long to wait, spread at random, so that
        not all who wait come at the same time."""
        circuit = self._circuits.get(host)
        if circuit is None or not circuit.wait_s:
            return 0.0
        left_s = circuit.probe_at_s - time.monotonic()
        if left_s <= 0 and not circuit.probing:
            circuit.probing = True
            return 0.0
        spread_s = min(circuit.wait_s / 4, _LONGEST_SPREAD_S)
        jitter_s = random.uniform(0, spread_s)  # noqa: S311 - spreads load, guards nothing
        return max(left_s, self._probe_s if circuit.probing else 0.0) + jitter_s

    def succeeded(self, host: str) -> None:
        """The host answers."""
        self._circuits.pop(host, None)

    def failed(self, host: str) -> None:
        """The host did not answer, or is out of order."""
        circuit = self._circuits.pop(host, None) or _Circuit()
        self._circuits[host] = circuit
        if len(self._circuits) > self._hosts:
            self._circuits.popitem(last=False)  # the one that has not failed for longest
        circuit.failures += 1
        if circuit.probing:
            self._open(circuit, circuit.wait_s * 2)
        elif not circuit.wait_s and circuit.failures >= self._failures:
            self._open(circuit, self._first_wait_s)

    def left(self, host: str) -> None:
        """It has not come out what the host does; if that was the probe, another may go."""
        if circuit := self._circuits.get(host):
            circuit.probing = False

    def _open(self, circuit: _Circuit, wait_s: float) -> None:
        circuit.wait_s = min(wait_s, self._longest_wait_s)
        circuit.probe_at_s = time.monotonic() + circuit.wait_s
        circuit.probing = False
