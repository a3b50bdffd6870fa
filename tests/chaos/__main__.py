"""`make chaos`: the long run; SEED= repeats what was drawn in another one."""

import argparse
import asyncio
import dataclasses
import secrets
import signal
import sys

import click

from tests.chaos.plan import FULL, SHORT
from tests.chaos.run import Verdict, run
from tests.peers.processes import until_sigterm

_MOST_S = 180


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--short", action="store_true", help="as many turns as the test has")
    given = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    plan = dataclasses.replace(SHORT if given.short else FULL, seed=seed)
    signal.alarm(_MOST_S)  # should that hang: the system ends this process, the warden the rest
    click.echo(f"seed {seed}: {plan.turns} turns over {plan.agents} agents")
    try:
        verdict = asyncio.run(until_sigterm(run(plan)))
    except TimeoutError:
        click.echo(f"BROKEN: something hung: not over after {plan.limit_s:.0f} s")
        return 1
    click.echo(told(verdict))
    return 1 if verdict.broken else 0


def told(verdict: Verdict) -> str:
    """For a person."""

    def counted(numbers: dict[str, int]) -> str:
        return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))

    twice = verdict.arrivals - verdict.events
    lines = [
        f"{verdict.chaos_s:.0f} s of chaos: {counted(verdict.done)}",
        f"all quiet {verdict.calm_s:.1f} s later; turns: {counted(verdict.outcomes)}; "
        f"{verdict.tries} sends",
        f"{verdict.events} events, {twice} of them taken again",
        *(f"BROKEN: {what}" for what in verdict.broken),
        "broken promises: " + (str(len(verdict.broken)) if verdict.broken else "none"),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
