"""`make bench`: one table; `quick` does less of everything."""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import bare, cases
from tests.bench.environment import run_with_emitter
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.stage import Stage, stage
from tests.bench.table import Row, show
from tests.peers.processes import until_sigterm
from tests.peers.warden import warden

AGENTS = 8
_INSIDE = "--inside"
"""Given to the run that has the emitter installed."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scale", nargs="?", choices=("quick", "full"), default="full")
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if not given.inside:
        return run_with_emitter(["-m", "tests.bench", given.scale, _INSIDE])
    return asyncio.run(until_sigterm(_measure(QUICK if given.scale == "quick" else FULL)))


async def _measure(scale: Scale) -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forge-bench-")))
        stack.enter_context(warden(folder))
        async with stage(folder, agents=AGENTS) as made:
            rows: list[Row] = []
            try:
                async for row in _rows(made, scale):
                    rows.append(row)  # what was measured is shown in any case
            finally:
                show(f"{AGENTS} agents, {made.outside.named}", rows)
    return 1 if any(row.broken for row in rows) else 0


async def _rows(made: Stage, scale: Scale) -> AsyncIterator[Row]:
    """The dead receiver comes last but for what has a gateway of its own: it stays dead."""
    floors, rows = await bare.floors(made, scale)
    for row in rows:
        yield row
    async for row in cases.streams(made, scale, floors):
        yield row
    yield await cases.batched(made, scale, floors)
    async for row in cases.messages(made, scale, floors):
        yield row
    yield await cases.one_dead(made, scale)
    yield await cases.memory(made)
    yield await cases.idle(made, scale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
