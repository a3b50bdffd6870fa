"""A run of some seconds; `make soak` has the long one."""

import asyncio
import re
import sys

import pytest

_SECONDS = 5


@pytest.mark.timeout(180)
async def test_a_soak_counts_what_both_sides_hold_and_loses_nothing() -> None:
    """Long enough to see that everything is looked at, too short to say what grows."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak", "--minutes", str(_SECONDS / 60)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.terminate()  # which ends all that it has started
    assert "BROKEN" not in said, said
    assert said.splitlines()[-1].startswith("verdict: "), said
    for name in ("gateway", "runtime 1", "runtime 4"):
        for what in ("RSS MB", "files", "threads", "tasks"):
            row = re.search(rf"^{name} +{what} +([0-9.]+) +([0-9.]+) +(flat|GROWS)$", said, re.M)
            assert row, said
            assert float(row[1]) > 0, row[0]
