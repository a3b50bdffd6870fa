"""The HTTP API against its own description: whatever comes, no 5xx, and only documented answers."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from tests.peers.gateway import House

OPTIONS = (
    "--checks=all",
    # What no schema can say (two ids that differ, a backend that is not there) is a 400 as well.
    "--exclude-checks=positive_data_acceptance",
    "--max-examples=10",
    "--seed=1",
    "--no-color",
    "--request-timeout=20",
    "--generation-database=none",
)


async def test_schemathesis_finds_no_fault(place: House, tmp_path: Path) -> None:
    """Generated requests, good and bad, to every route: no server error, nothing undocumented."""
    gateway = await place.gateway(FORGE_IDLE_EXIT="5s")
    program = Path(sys.executable).parent / "schemathesis"
    run = await asyncio.create_subprocess_exec(
        program,
        "run",
        f"{gateway.url}/openapi.json",
        *OPTIONS,
        cwd=tmp_path,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        report, _ = await asyncio.wait_for(run.communicate(), 110)
    finally:
        if run.returncode is None:
            run.kill()
    assert run.returncode == 0, report.decode()[-6000:]
