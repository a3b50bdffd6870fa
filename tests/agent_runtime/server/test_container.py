"""A container that is restarted in its pod: the journal goes on, and every process is another.

A PID namespace is what a container is to its processes: numbers begin anew in each, so
those that the journal recorded belong to others with certainty.
"""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.agent_runtime.server.test_life import until_file
from tests.peers.processes import command_lines, of_folder
from tests.peers.runtime import RELAY, Runtime, message, relay_stub, replay, submit

NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")

LEADERLESS = "setsid sh -c 'sleep 7654321 & exit'; exec {runtime}"
"""A group of the recorded number whose leader is gone."""
LEADER = "setsid sleep 7654321 & exec {runtime}"
ITSELF = "setsid --wait {runtime}"
"""The runtime has the recorded number."""


def _can_unshare() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.call([*NAMESPACE, "true"])


pid_namespaces = pytest.mark.skipif(not _can_unshare(), reason="making a PID namespace takes root")
pytestmark = pid_namespaces


@dataclass
class Container(Runtime):
    """Every start is a new PID namespace, killed whole."""

    script: str = "exec {runtime}"
    next_pid: int = 0
    """Number of the first process of the script; 0: the system's choice."""

    async def launch(self) -> asyncio.subprocess.Process:
        runtime = f"{sys.executable} -m agent_runtime"
        chosen = f"echo {self.next_pid - 1} > /proc/sys/kernel/ns_last_pid; " * bool(self.next_pid)
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(*NAMESPACE, "sh", "-c", chosen + self.script.format(runtime=runtime)),
                env=self.env(),
                stdout=log,
                stderr=log,
            )
        return self.process

    async def kill(self) -> None:
        """kill -9 of everything in it; the first of its processes takes the others along."""
        await super().kill()
        async with asyncio.timeout(10):
            while of_folder(self.folder):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def started(container: Container) -> AsyncIterator[Container]:
    try:
        await container.start()
        yield container
    finally:
        await container.kill()


def recorded_groups(folder: Path) -> list[int]:
    journal = folder / "state" / "journal.db"
    with closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as reader:
        query = "SELECT value FROM facts WHERE name = 'process_groups'"
        (told,) = reader.execute(query).fetchone()
    return [group[0] for group in json.loads(told)]


@pytest.mark.parametrize("script", [LEADERLESS, LEADER, ITSELF], ids=["orphans", "group", "self"])
async def test_a_restarted_container_ends_the_turn_and_nobody_elses_process(
    tmp_path: Path, script: str
) -> None:
    """After a kill of everything (out of memory) the turn that ran has its final, what is
    queued runs, and whoever has the number of the old CLI now is left alone."""
    async with started(Container(tmp_path)) as container, relay_stub(container) as stub:
        await submit(stub, message("r1", "echo $$ > pids; sleep 300"))
        await submit(stub, message("r2", "echo second"))
        await until_file(tmp_path / "workspace" / "pids")
        (pgid,) = recorded_groups(tmp_path)
    again = Container(tmp_path, script=script, next_pid=pgid)
    async with started(again), relay_stub(again) as stub:
        assert [final.error.code for final in await replay(stub, "r1")] == ["AGENT_RESTARTED"]
        assert (await replay(stub, "r2"))[-1].outcome == agent_pb2.OUTCOME_COMPLETED
        innocent = "sleep\0007654321\0" in command_lines(tmp_path).splitlines()
        assert innocent is ("sleep" in script)
        assert recorded_groups(tmp_path) == []


async def test_the_first_process_of_a_container_keeps_no_zombies(tmp_path: Path) -> None:
    """Without an init before it, the runtime inherits what its CLIs leave, and buries it."""
    async with started(Container(tmp_path)) as container, relay_stub(container) as stub:
        await submit(stub, message("r1", "for i in $(seq 20); do setsid sleep 60 & done"))
        await replay(stub, "r1")
        await submit(stub, message("r2", "true"))
        await replay(stub, "r2")
        assert container.process is not None
        (runtime,) = children(container.process.pid)
        assert children(runtime) == []


def children(pid: int) -> list[int]:
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    return [int(child) for child in told.split()]


async def test_the_home_of_a_pods_cli_is_beside_its_journal(tmp_path: Path) -> None:
    """The image's own home is read-only: a CLI that keeps its state there cannot start."""
    own = {"FORGE_POD_UID": "u", "HOME": "/home/agent", "FORGE_JOURNAL": "volatile"}
    async with started(Container(tmp_path, own)) as container, relay_stub(container) as stub:
        drained = relay_pb2.DrainedRequest(pod_uid="u")
        await stub.Drained(drained, metadata=RELAY, timeout=10)
        await submit(stub, message("r1", "echo $HOME"))
        said, _ = await replay(stub, "r1")
        assert f"{tmp_path}/state/home" in said.event.event_json.decode()
