"""The HTTP API against its own description: whatever comes, no 5xx, and only documented answers."""

import subprocess
import sys
from pathlib import Path

from tests.peers.gateway import House


async def test_schemathesis_finds_no_fault(place: House, tmp_path: Path) -> None:
    """Generated requests, good and bad, to every route: no server error, nothing undocumented."""
    gateway = await place.gateway(FORGE_CREATE_TIMEOUT="5s")
    report = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            "run",
            f"{gateway.url}/openapi.json",
            "--checks=all",
            "--max-examples=15",
            "--seed=1",
            "--no-color",
            "--request-timeout=20",
            "--generation-database=none",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert report.returncode == 0, report.stdout[-6000:] + report.stderr[-2000:]
