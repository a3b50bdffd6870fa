"""A short run; `make chaos` has the long one."""

import asyncio
import dataclasses
import os
import secrets
import sys
import tempfile
from pathlib import Path

import click
import pytest

from tests.chaos.__main__ import told
from tests.chaos.plan import SHORT
from tests.chaos.run import run
from tests.peers.processes import end_all_of, of_folder


@pytest.mark.timeout(150)
async def test_everything_holds_while_everything_is_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One final a turn, every event, in order, one content an id, no secret shown; nothing
    runs twice and nothing is left behind."""
    seed = secrets.randbelow(1_000_000)
    with capsys.disabled():  # to be seen also when nobody lives to tell it
        click.echo(f"\nchaos with seed {seed}: make chaos SEED={seed} ARGS=--short repeats it")
    verdict = await run(dataclasses.replace(SHORT, seed=seed))
    click.echo(told(verdict))
    assert not verdict.broken, "\n".join(verdict.broken)
    assert {name.partition(" ")[0] for name in verdict.done} >= {"gateway", "runtime", "receiver"}


async def test_nothing_is_left_of_a_run_that_is_killed() -> None:
    """kill -9 in its middle: gateways, agents, their commands and the receiver end with it."""
    with tempfile.TemporaryDirectory(prefix="forge-") as made:
        folder = Path(made)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.chaos", "--short"),
            env={**os.environ, "TMPDIR": made},
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(60):
                while not any(folder.glob("*/state/agents/*/workspace/started")):
                    await asyncio.sleep(0.1)
        finally:
            process.kill()
            await process.wait()
        try:
            async with asyncio.timeout(20):
                while of_folder(folder):
                    await asyncio.sleep(0.1)
        finally:
            end_all_of(folder)
