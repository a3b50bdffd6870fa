"""`make bench`: one table. `quick` takes about a minute."""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench import bare, cases
from tests.bench.environment import with_emitter
from tests.bench.scale import FULL, QUICK, Scale
from tests.bench.stage import Stage, stage
from tests.bench.table import Row, show
from tests.peers.warden import warden

AGENTS = 8
_INSIDE = "--inside"
"""Given to the run that has the emitter installed."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scale", nargs="?", choices=("quick", "full"), default="full")
    parser.add_argument(_INSIDE, action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is cleaned up
    if not given.inside:
        with with_emitter() as python:
            command = [str(python), "-m", "tests.bench", given.scale, _INSIDE]
            return subprocess.run(command).returncode
    return asyncio.run(_measure(QUICK if given.scale == "quick" else FULL))


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
    yield await cases.batched(made, scale)
    async for row in cases.messages(made, scale, floors):
        yield row
    yield await cases.one_dead(made, scale)
    yield await cases.memory(made)
    yield await cases.idle(made, scale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
