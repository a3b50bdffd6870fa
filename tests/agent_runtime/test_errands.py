"""Short programs beside the CLI: bounded, and ended whole."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest
import uvloop

from agent_runtime.errands import Errands, Output

ENV = {"PATH": os.environ["PATH"]}


async def run(
    folder: Path, script: str, *, stdin: bytes = b"", most_bytes: int = 10_000, limit_s: float = 20
) -> Output:
    argv = ("sh", "-c", script)
    return await Errands().run(
        argv, cwd=folder, env=ENV, stdin=stdin, most_bytes=most_bytes, limit_s=limit_s
    )


async def test_it_is_given_what_it_is_given_and_no_more(tmp_path: Path) -> None:
    """Nothing of the runtime's environment: credentials are there."""
    output = await run(tmp_path, "cat; env; pwd; echo trouble >&2; exit 3", stdin=b"said\n")
    assert output.stdout.startswith(b"said\n")
    assert f"PWD={tmp_path}".encode() in output.stdout
    assert b"HOME=" not in output.stdout
    assert (output.code, output.stderr, output.cut) == (3, "trouble", False)


async def test_too_much_output_is_cut(tmp_path: Path) -> None:
    """And whoever writes it is ended."""
    output = await run(tmp_path, "yes", most_bytes=1000)
    assert (len(output.stdout), output.cut, output.code) == (1000, True, -signal.SIGKILL)


async def test_too_much_input_and_complaint_do_not_block_it(tmp_path: Path) -> None:
    """It may read nothing, and write more to stderr than a pipe holds."""
    script = "head -c 1000000 /dev/zero | tr '\\0' e >&2; echo done"
    output = await run(tmp_path, script, stdin=b"x" * 10**6)
    assert output.stdout == b"done\n"
    assert 10_000 < len(output.stderr) < 20_000


async def test_one_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    """Nothing of it goes on."""
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await run(tmp_path, "sleep 60 & sleep 60", limit_s=0.3)
    assert time.monotonic() - started < 5
    await gone(tmp_path)


async def test_children_that_outlive_it_are_ended(tmp_path: Path) -> None:
    """They hold its output open."""
    with pytest.raises(TimeoutError):
        await run(tmp_path, "sleep 60 & exit 0", limit_s=0.3)
    await gone(tmp_path)


async def test_one_that_nobody_waits_for_is_ended(tmp_path: Path) -> None:
    """A cancelled caller leaves nothing running."""
    argv = ("sh", "-c", "touch begun; sleep 60")
    running = asyncio.create_task(
        Errands().run(argv, cwd=tmp_path, env=ENV, most_bytes=1, limit_s=60)
    )
    async with asyncio.timeout(10):
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait({running})
    await gone(tmp_path)


async def test_one_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """As an OSError, for whoever knows what it was for."""
    with pytest.raises(OSError, match="nothing"):
        await Errands().run(("/nothing/there",), cwd=tmp_path, env=ENV, most_bytes=1, limit_s=1)


def test_it_steps_back_behind_the_agents_work(tmp_path: Path) -> None:
    """In the runtime's own loop: a lower priority, and before it when memory ends."""
    score = "cat /proc/self/oom_score_adj"
    script = f"until [ $(nice) -ge 10 ] && [ $({score}) -ge 500 ]; do sleep 0.01; done; echo so"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run(tmp_path, script)).stdout == b"so\n"


async def gone(folder: Path) -> None:
    """No process is left that works there."""

    def inside(pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == folder
        except OSError:
            return False

    async with asyncio.timeout(5):
        while any(inside(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
            await asyncio.sleep(0.01)
