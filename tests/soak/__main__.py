"""`make soak`: prints what is used as it goes, then a verdict; MINUTES= says how long."""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence

import click

from tests.bench.environment import run_with_emitter
from tests.peers.processes import until_sigterm
from tests.soak.run import Soaked, soak
from tests.soak.samples import Held, Sample, Trend, trends

_SAMPLES = 60
_COLUMNS = f"{'MB':>6} {'files':>6} {'conns':>6} {'threads':>8} {'tasks':>6}"
_NAMES = {"rss_mb": "RSS MB"}
_INSIDE = "--inside"
"""Given to the run that has the emitter installed."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.minutes <= 0:
        parser.error("--minutes: more than 0")
    if not given.inside:
        return run_with_emitter(["-m", "tests.soak", "--minutes", str(given.minutes), _INSIDE])
    soaked = asyncio.run(until_sigterm(_soak(given.minutes * 60)))
    found = list(trends(soaked.samples))
    click.echo("\n".join(_told(found, soaked)))
    return 1 if soaked.broken or not all(trend.flat for trend in found) else 0


async def _soak(seconds: float) -> Soaked:
    told: asyncio.Queue[Sample] = asyncio.Queue()
    printing = asyncio.create_task(_print(told), name="print")
    try:
        return await soak(seconds, seconds / _SAMPLES, told)
    finally:
        printing.cancel()


async def _print(told: "asyncio.Queue[Sample]") -> None:
    """A line each sample; of the runtimes, their sum."""
    click.echo(f"{'':16}  {'gateway':<37}  runtimes")
    click.echo(f"{'s':>6} {'events':>9}  {_COLUMNS}  {_COLUMNS}")
    while True:
        sample = await told.get()
        agents = [held for name, held in sample.held.items() if name != "gateway"]
        click.echo(
            f"{sample.at_s:6.0f} {sample.taken:9d}  "
            f"{_line([sample.held['gateway']])}  {_line(agents)}"
        )


def _line(held: Sequence[Held]) -> str:
    return (
        f"{sum(one.rss_mb for one in held):6.1f} {sum(one.files for one in held):6d} "
        f"{sum(one.connections for one in held):6d} {sum(one.threads for one in held):8d} "
        f"{sum(one.tasks for one in held):6d}"
    )


def _told(found: Sequence[Trend], soaked: Soaked) -> Iterator[str]:
    yield ""
    yield f"{'process':<12}{'':<14}{'first third':>12}{'last third':>12}   verdict"
    for trend in found:
        what = _NAMES.get(trend.what, trend.what)
        line = (
            f"{trend.process:<12}{what:<14}{trend.first:12.1f}{trend.last:12.1f}   {trend.verdict}"
        )
        yield line.rstrip()
    yield from (f"BROKEN: {what}" for what in soaked.broken)
    flat = all(trend.flat for trend in found)
    yield "verdict: " + ("flat, nothing lost" if flat and not soaked.broken else "NOT GOOD")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
