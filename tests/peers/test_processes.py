"""Processes as tests find and end them: their own, and no other's."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.peers.processes import names, of_folder, runtimes

FORKING = """
import os, time
child = os.fork()
print("ready", flush=True)
time.sleep(600)
"""


async def test_a_cli_that_is_being_started_is_not_taken_for_the_runtime(tmp_path: Path) -> None:
    """Until it is executed it has the runtime's command line and environment; to kill it in
    place of the runtime is another test."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FORKING, "agent_runtime"),
        env={"PATH": os.environ["PATH"], "AGENT_ID": "a1", "FORGE_STATE_DIR": f"{tmp_path}/a1"},
        stdout=PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        for _ in range(2):
            assert await process.stdout.readline() == b"ready\n"
        assert len(of_folder(tmp_path)) == 2
        for _ in range(20):
            assert runtimes(tmp_path) == {"a1": process.pid}
    finally:
        os.killpg(process.pid, 9)
        await process.wait()


def test_a_folder_whose_name_begins_like_another_is_another() -> None:
    """The folder of test 10 is not that of test 1."""
    assert names("HOME=/t/x1\0A=b", "/t/x1")
    assert names("FORGE_LISTEN=unix:/t/x1/s", "/t/x1")
    assert names("PATH=/t/x1:/bin", "/t/x1")
    assert not names("HOME=/t/x10\0A=/t/x1-2", "/t/x1")
