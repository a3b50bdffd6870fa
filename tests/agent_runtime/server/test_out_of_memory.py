"""A real control group with a limit: the kernel takes the CLI, and its final says so."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from proto.agent.v1 import agent_pb2
from tests.agent_runtime.server.test_life import until_file
from tests.peers.processes import clis
from tests.peers.runtime import Runtime, message, relay_stub, replay, submit

LIMIT_MIB = 160
HOG = "import time; kept = []\nwhile True: kept.append(bytes([1]) * (8 << 20)); time.sleep(0.01)"


@dataclass
class Confined(Runtime):
    """A runtime that lives, with what it starts, in that group from its first instruction on."""

    group: Path = Path()

    async def launch(self) -> asyncio.subprocess.Process:
        enter = f'echo $$ > {self.group}/cgroup.procs && exec "$@"'
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *("sh", "-c", enter, "sh", sys.executable, "-m", "agent_runtime"),
                env=self.env(),
                stdout=log,
                stderr=log,
            )
        return self.process


def _made_group() -> Path | None:
    """A group with a limit, of the version that is here; None where none can be made."""
    for parent, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        group = parent / f"forge-test-{uuid4().hex[:8]}"
        with suppress(OSError):
            group.mkdir()
            try:
                (group / limit).write_text(str(LIMIT_MIB << 20))
            except OSError:
                group.rmdir()
                continue
            return group
    return None


@pytest.fixture
def group() -> Iterator[Path]:
    made = _made_group()
    if made is None:
        pytest.skip("making a control group takes root")
    yield made
    made.rmdir()


async def ended_whole(runtime: Runtime) -> None:
    """So that its group is empty."""
    await runtime.end()
    async with asyncio.timeout(10):
        while clis(runtime.folder):
            await asyncio.sleep(0.02)


async def test_a_cli_that_the_kernel_killed_for_memory(tmp_path: Path, group: Path) -> None:
    """The runtime survives and goes on; the final says what it was, with the limit."""
    hog = {"FORGE_COMMAND": f"{sys.executable} -c '{HOG}'"}
    runtime = Confined(tmp_path, hog, group=group)
    process = await runtime.start()
    try:
        async with relay_stub(runtime) as stub:
            for name in ("r1", "r2"):
                await submit(stub, message(name, "grow"))
                final = (await replay(stub, name))[-1]
                assert final.outcome == agent_pb2.OUTCOME_FAILED
                assert final.error.code == "BACKEND_CRASHED"
                assert "SIGKILL, probably for lack of memory" in final.error.message
                assert f"the limit is {LIMIT_MIB} MiB" in final.error.message
        assert process.returncode is None
    finally:
        await ended_whole(runtime)


async def test_a_tool_that_the_kernel_killed_is_the_clis_own_affair(
    tmp_path: Path, group: Path
) -> None:
    """The CLI lives, and says itself what it makes of it."""
    runtime = Confined(tmp_path, group=group)
    await runtime.start()
    try:
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", f"{sys.executable} -c '{HOG}'; echo got $?"))
            *said, final = await replay(stub, "r1")
            assert b"got 137" in b"".join(event.event.event_json for event in said)
            assert final.outcome == agent_pb2.OUTCOME_COMPLETED
    finally:
        await ended_whole(runtime)


async def test_a_cli_dies_before_its_runtime(tmp_path: Path) -> None:
    """It is worth less to the kernel, and so is all that it starts."""
    runtime = Runtime(tmp_path)
    process = await runtime.start()
    try:
        async with relay_stub(runtime) as stub:
            script = "echo $(cat /proc/$$/oom_score_adj) $(cat /proc/self/oom_score_adj) > scores"
            await submit(stub, message("r1", script))
            await replay(stub, "r1")
        own = int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())
        scores = (await until_file(tmp_path / "workspace" / "scores")).split()
        assert scores == [str(min(1000, own + 500))] * 2
    finally:
        await runtime.end()
