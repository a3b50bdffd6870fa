"""A part of a runtime dies: the rest must not live on without it."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.journal.journal import Journal
from agent_runtime.server.life import Life
from agent_runtime.server.nudger import Nudger
from agent_runtime.server.relay_slot import RelaySlot
from agent_runtime.server.usage import Usage
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.runner import Runner
from tests.agent_runtime import commands
from tests.agent_runtime.turns.bench import snapshots
from tests.agent_runtime.turns.scripted import ScriptedBackend
from tests.peers.runtime import Runtime, message, relay_stub, submit


async def test_a_runtime_whose_runner_died_ends(tmp_path: Path) -> None:
    """It would go on accepting messages that nobody ever runs; ended, it is started again."""
    runtime = Runtime(tmp_path, {"FORGE_IDLE_EXIT_S": "600"})
    try:
        process = await runtime.start()
        freeze_turns(tmp_path / "state" / "journal.db")
        async with relay_stub(runtime) as stub:
            await submit(stub, message("r1", "echo hi"), ticket=b"ticket")
        async with asyncio.timeout(15):
            assert await process.wait() == 1
        assert "Traceback" in runtime.log()
    finally:
        await runtime.end()


def freeze_turns(journal: Path) -> None:
    """What no code path expects: a turn can be accepted, and neither begin nor end."""
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute(
            "CREATE TRIGGER freeze BEFORE UPDATE ON turns BEGIN SELECT RAISE(ABORT, 'frozen'); END"
        )


async def test_a_nudger_ends_though_a_relay_comes_in_that_moment(tmp_path: Path) -> None:
    """Otherwise the runtime would wait for it for ever: unreachable, with its folder locked."""
    slot = RelaySlot()
    async with Journal(tmp_path) as journal:
        await journal.accept(commands.message("r1"))
        nudger = Nudger(agent_id="agent-1", where="unix:/nowhere", journal=journal, slot=slot)
        running = asyncio.create_task(nudger.run())
        await asyncio.sleep(0)  # twice: it waits for a relay now
        await asyncio.sleep(0)
        slot._taken.set()
        running.cancel()
        await asyncio.wait({running}, timeout=5)
        assert running.cancelled()


async def test_the_idle_watch_ends_though_something_happens_in_that_moment(tmp_path: Path) -> None:
    """Otherwise a runtime whose runner died while a message came would live on without it."""
    async with Journal(tmp_path) as journal:
        life = Life(
            journal=journal,
            runner=Runner(
                journal=journal,
                drained=Drained(journal, ""),
                backend=ScriptedBackend(),
                mode=PermissionMode.ACCEPT_EDITS,
                policy=Policy(),
                snapshots=snapshots(journal, tmp_path),
                turn_limit_s=30,
                grace_s=0.2,
            ),
            usage=Usage(),
            idle_exit_s=600,
        )
        running = asyncio.create_task(life.end_when_idle())
        await asyncio.sleep(0)  # twice: it waits now
        await asyncio.sleep(0)
        journal._note(0)
        running.cancel()
        await asyncio.wait({running}, timeout=5)
        assert running.cancelled()


async def test_a_retired_agent_ends_though_its_cli_cannot_be_stopped(tmp_path: Path) -> None:
    """Otherwise the runtime of a deleted agent would stay for ever, taking no command."""
    async with Journal(tmp_path) as journal:
        backend = ScriptedBackend()
        backend.stop_error = OSError("stuck")
        runner = Runner(
            journal=journal,
            drained=Drained(journal, ""),
            backend=backend,
            mode=PermissionMode.ACCEPT_EDITS,
            policy=Policy(),
            snapshots=snapshots(journal, tmp_path),
            turn_limit_s=60,
            grace_s=1,
        )
        life = Life(journal=journal, runner=runner, usage=Usage(), idle_exit_s=0)
        running = asyncio.create_task(runner.run())
        with pytest.raises(OSError, match="stuck"):
            await life.retire(graceful=False)
        async with asyncio.timeout(5):
            await life.end_when_delivered()
        assert life.ending
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
