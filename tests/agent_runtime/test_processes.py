"""Processes: recorded before they run, ended whole, whatever they do to escape."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

from agent_runtime.errors import BackendUnusable
from agent_runtime.process_table import (
    Process,
    ProcessGroup,
    boot_id,
    members,
    send,
    start_time,
    strays,
)
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


async def test_a_group_of_that_number_whose_leader_has_gone_is_not_taken_for_it(
    recorder: Recorder, tmp_path: Path
) -> None:
    """What a leader left behind says nothing of who the leader was: only its start would, or
    the mark."""
    processes = Processes(recorder)
    others = await spawn(processes, tmp_path, "sh", "-c", "env -i sleep 600 & exit")
    await others.exited()
    assert len(others.members()) == 1
    pgid = others.group.pgid
    earlier = str(int(others.group.start_time) - 1) if others.group.start_time.isdigit() else "x"
    await end_leftover(ProcessGroup(pgid, earlier, boot_id()))
    assert len(others.members()) == 1
    await processes.end(others)
    assert not others.members()
    others.close_pipes()


async def test_only_the_process_that_was_meant_is_signalled(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Its number may have been given anew between the look and the signal."""
    processes = Processes(recorder)
    process = await spawn(processes, tmp_path, "cat")
    pid, began = process.group.pgid, process.group.start_time
    send(Process(pid, f"{began}1"), signal.SIGKILL)
    process.stdin.write(b"still here\n")
    assert await asyncio.wait_for(process.stdout.readline(), 10) == b"still here\n"
    send(Process(pid, began), signal.SIGKILL)
    assert await asyncio.wait_for(process.exited(), 10) == -signal.SIGKILL
    send(Process(pid, began), signal.SIGKILL)
    await processes.end(process)
    process.close_pipes()


def test_a_cli_that_is_killed_at_the_gate_is_one_that_was_killed(tmp_path: Path) -> None:
    """Whatever kills it before it begins (the system, for memory): its exit tells, in the
    event loop that is used, which closes the pipe of a process that is gone."""

    async def run() -> int:
        processes = Processes(kill)
        process = await spawn(processes, tmp_path, "touch", str(tmp_path / "ran"))
        code = await process.exited()
        await processes.end(process)
        process.close_pipes()
        return code

    async def kill(groups: frozenset[ProcessGroup]) -> None:
        for group in groups:
            send(Process(group.pgid, group.start_time), signal.SIGKILL)
        async with asyncio.timeout(10):
            while any(start_time(group.pgid) for group in groups):
                await asyncio.sleep(
                    0.01
                )  # until it is reaped, and what is left of its pipes closed
        await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == -signal.SIGKILL
    assert not (tmp_path / "ran").exists()


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
    assert members(process.group) == {Process(process.group.pgid, process.group.start_time)}
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


async def test_what_a_command_left_ends_and_what_runs_stays(
    recorder: Recorder, tmp_path: Path
) -> None:
    """Strays have lost their parent, in whatever session; children, old and new, are the CLI's."""
    processes = Processes(recorder)
    script = "sleep 600 & (setsid sleep 601 &) ; wait"
    process = await spawn(processes, tmp_path, "sh", "-c", script)
    async with asyncio.timeout(10):
        while len(strays(process.members(), process.group.pgid)) < 1 or len(process.members()) < 3:
            await asyncio.sleep(0.01)
    lost = strays(process.members(), process.group.pgid)
    others = process.members() - lost
    await processes.end_strays(process, lost)
    assert process.members() == others | lost
    await processes.end_strays(process, frozenset())
    assert process.members() == others
    await processes.end(process)
