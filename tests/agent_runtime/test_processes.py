"""Processes: recorded before they run, ended whole, whatever they do to escape."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent_runtime.errors import BackendUnusable
from agent_runtime.process_table import ProcessGroup, boot_id, members, start_time
from agent_runtime.processes import CliProcess, Processes, end_leftover

ENV = {"PATH": os.environ["PATH"]}
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"
ESCAPE = "import os, time; os.setsid(); print('ready', flush=True); time.sleep(600)"


class Recorder:
    """What a journal would know: the last set of groups, and all that ever were."""

    def __init__(self) -> None:
        self.last: frozenset[ProcessGroup] = frozenset()
        self.ever: set[ProcessGroup] = set()
        self.before_record: Callable[[], None] = lambda: None

    async def __call__(self, groups: frozenset[ProcessGroup]) -> None:
        self.before_record()
        self.last = groups
        self.ever |= groups


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    yield recorder
    for group in recorder.ever:
        await end_leftover(group)


async def spawn(processes: Processes, folder: Path, *argv: str) -> CliProcess:
    return await processes.spawn(argv, cwd=folder, env=ENV)


async def read_all(process: CliProcess) -> bytes:
    return await asyncio.wait_for(process.stdout.read(), 10)


async def test_argv_and_standard_input_reach_the_command(
    recorder: Recorder, tmp_path: Path
) -> None:
    """The gate eats one line and no more, and words stay words."""
    processes = Processes(recorder)
    script = 'printf "%s|" "$@"; cat'
    process = await spawn(processes, tmp_path, "sh", "-c", script, "sh", "a b", "$c", "")
    process.stdin.write(b"line one\nline two")
    process.stdin.close()
    assert await read_all(process) == b"a b|$c||line one\nline two"
    assert await process.exited() == 0
    await processes.end(process)
    process.close_pipes()


async def test_the_command_does_not_run_before_it_is_recorded(
    recorder: Recorder, tmp_path: Path
) -> None:
    """When recording fails the command never runs: nobody would know of it."""
    trace = tmp_path / "trace"

    def refuse() -> None:
        raise RuntimeError("the journal is closed")

    recorder.before_record = refuse
    with pytest.raises(RuntimeError, match="journal is closed"):
        await spawn(Processes(recorder), tmp_path, "touch", str(trace))
    assert not trace.exists()
    recorder.before_record = lambda: None
    assert recorder.ever == set()


async def test_a_runtime_killed_at_the_gate_leaves_nothing(tmp_path: Path) -> None:
    """A runtime that dies before the record is durable takes the waiting process with it."""
    trace = tmp_path / "trace"
    runtime = f"""
import asyncio, os, signal
from pathlib import Path
from agent_runtime.processes import Processes

async def record(groups):
    print(next(iter(groups)).pgid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(Processes(record).spawn(["touch", {str(trace)!r}], cwd=Path("/"), env={ENV!r}))
"""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", runtime, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(child.communicate(), 20)
    await gone(int(told))
    assert not trace.exists()


async def test_exit_is_told_while_others_hold_the_pipes(recorder: Recorder, tmp_path: Path) -> None:
    """A grandchild that keeps the pipes open does not hide the exit of its parent."""
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, "sh", "-c", "sleep 600 & exit 7")
    assert await asyncio.wait_for(process.exited(), 10) == 7
    assert members(process.group)
    await processes.end(process)
    assert not members(process.group)
    process.close_pipes()


@pytest.mark.parametrize(
    "argv",
    [
        ("sh", "-c", "sleep 600 & sleep 600 & echo ready; wait"),
        ("sh", "-c", STUBBORN),
        ("sh", "-c", f'"{sys.executable}" -c "{ESCAPE}" & exit 0'),
    ],
    ids=["children", "ignores SIGTERM", "orphan in its own session"],
)
async def test_the_whole_group_ends(
    recorder: Recorder, tmp_path: Path, argv: tuple[str, ...]
) -> None:
    """Children, the deaf, and those who left the group: all are gone after `end`."""
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, *argv)
    assert await asyncio.wait_for(process.stdout.readline(), 10) == b"ready\n"
    assert recorder.last == {process.group}
    assert members(process.group)
    await processes.end(process)
    assert not members(process.group)
    assert recorder.last == frozenset()
    await processes.end(process)
    process.close_pipes()


async def test_a_successor_ends_what_is_left(recorder: Recorder, tmp_path: Path) -> None:
    """The next runtime ends a recorded group, wherever its processes moved to."""
    script = f'"{sys.executable}" -c "{ESCAPE}" & wait'
    process = await spawn(Processes(recorder), tmp_path, "sh", "-c", script)
    await asyncio.wait_for(process.stdout.readline(), 10)
    (group,) = recorder.last
    os.kill(group.pgid, signal.SIGKILL)
    await process.exited()
    assert members(group)
    await end_leftover(group)
    assert not members(group)
    process.close_pipes()


async def test_a_number_given_anew_is_left_alone(recorder: Recorder, tmp_path: Path) -> None:
    """A group of the same number from another start, or another boot, is not ours to end."""
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, "sleep", "600")
    pgid = process.group.pgid
    later = str(int(process.group.start_time) + 1) if process.group.start_time.isdigit() else "x"
    await end_leftover(ProcessGroup(pgid, later, boot_id()))
    await end_leftover(ProcessGroup(pgid, process.group.start_time, "another boot"))
    assert start_time(pgid) == process.group.start_time
    assert process.returncode is None
    await processes.end(process)
    process.close_pipes()


async def test_zombies_do_not_count(recorder: Recorder, tmp_path: Path) -> None:
    """A zombie that its parent does not reap cannot hold up the end of a group."""
    keeper = (
        "import os, time\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0)\n"
        "os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)\n"
        "print('ready', flush=True); time.sleep(600)"
    )
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, sys.executable, "-c", keeper)
    await asyncio.wait_for(process.stdout.readline(), 10)
    assert members(process.group) == {process.group.pgid}
    await processes.end(process)
    process.close_pipes()


async def test_a_missing_command_exits_with_127(recorder: Recorder, tmp_path: Path) -> None:
    """What cannot be found is told by the exit code and on standard error."""
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, "no-such-command-here")
    assert await asyncio.wait_for(process.exited(), 10) == 127
    assert process.stderr is not None
    assert b"no-such-command-here" in await process.stderr.read()
    await processes.end(process)
    process.close_pipes()


async def test_a_missing_folder_is_told(recorder: Recorder, tmp_path: Path) -> None:
    """No folder, no process: BackendUnusable names the folder."""
    with pytest.raises(BackendUnusable, match="missing"):
        await spawn(Processes(recorder), tmp_path / "missing", "true")


async def gone(pid: int) -> None:
    """Wait until there is no such process, or only its zombie."""
    async with asyncio.timeout(10):
        while members(ProcessGroup(pid, start_time(pid), boot_id())):
            await asyncio.sleep(0.02)  # somebody else's child: nobody tells
