"""Runtimes as processes: started on demand, started again, left alone, ended."""

import asyncio
import contextlib
import os
import signal

import pytest

from gateway.errors import GatewayError, NotFound, Unavailable
from gateway.launchers.local import lock
from tests.gateway.launchers.harness import LocalPlace, eventually, spec, status


async def test_idle_agent_starts_on_demand_only(place: LocalPlace) -> None:
    """One that ended with nothing to do counts as ready, and no sweep wakes it."""
    place.configure(FORGE_IDLE_EXIT="1s")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    folder = place.folder()
    await eventually(lambda: folder.is_clean() and not folder.is_running())
    assert (await launcher.get("a1")).ready
    await launcher._sweep._round(await launcher._survey())
    assert not launcher._runtimes.is_starting("a1")
    place.configure(FORGE_IDLE_EXIT="30m")
    assert (await status(place, await place.open())).agent_id == "a1"
    assert not folder.is_clean()


async def test_ended_children_are_reaped(place: LocalPlace) -> None:
    """A dead runtime leaves no zombie while the gateway lives."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    (process,) = place.processes("a1")
    await place.kill("a1")
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


async def test_agent_is_in_a_session_of_its_own(place: LocalPlace) -> None:
    """What ends the gateway's terminal or group does not end its agents."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    (process,) = place.processes("a1")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


async def test_agent_that_dies_at_once_is_started_at_growing_intervals(place: LocalPlace) -> None:
    """It costs neither the machine nor the log much, and the API tells why it is not ready."""
    launcher = await place.open()
    await launcher.create(spec(permission_mode="nonsense"), wait_s=0)
    backoff = launcher._runtimes.backoff
    await eventually(lambda: len(backoff._mishaps) == 1 and backoff._mishaps["a1"].count == 2)
    pause_s = backoff._mishaps["a1"].retry_at - asyncio.get_running_loop().time()
    assert 1 < pause_s <= 2
    agent = await launcher.get("a1")
    assert (agent.phase, agent.ready, agent.reason) == ("Pending", False, "Restarting")
    assert "PERMISSION_MODE" in agent.message


async def test_runtime_that_does_not_answer_is_not_waited_for_long(place: LocalPlace) -> None:
    """A stopped process holds up its callers only as long as they want to wait, then serves."""
    first = await place.open()
    await first.create(spec(), wait_s=20)
    (process,) = place.processes("a1")
    os.kill(process.pid, signal.SIGSTOP)
    other = await place.open()
    agent = await other.get("a1")
    assert (agent.phase, agent.reason) == ("Pending", "Starting")
    with pytest.raises(Unavailable, match="a1"):
        await other.reach("a1", timeout_s=0.2)
    os.kill(process.pid, signal.SIGCONT)
    assert (await status(place, other)).agent_id == "a1"
    assert [found.pid for found in place.processes()] == [process.pid]


async def test_hung_agents_hold_up_nobody_else(place: LocalPlace) -> None:
    """However many live without answering, other agents are made and reached meanwhile."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await place.kill("a1")
    names = [f"hung{number}" for number in range(20)]
    with contextlib.ExitStack() as locks:
        for name in names:
            folder = place.folder(name)
            folder.make()
            assert locks.enter_context(lock.taken(folder.lock))
            folder.file(place.facts(name))
        refused = await asyncio.gather(
            *(launcher.reach(name, timeout_s=0.2) for name in names), return_exceptions=True
        )
        assert {type(error) for error in refused} == {Unavailable}
        assert all(launcher._runtimes.is_starting(name) for name in names)
        assert (await launcher.create(spec("new"), wait_s=20)).ready
        assert (await status(place, launcher)).agent_id == "a1"


async def test_lock_taken_at_the_wrong_moment_delays_a_start_only(place: LocalPlace) -> None:
    """A runtime that found its lock taken, by a look at it or a rival, is started again."""
    launcher = await place.open()
    folder = place.folder()
    await launcher.create(spec(), wait_s=0)
    await eventually(lambda: bool(place.processes("a1")))
    (loser,) = place.processes("a1")
    with lock.taken(folder.lock) as ours:
        assert ours
        assert await loser.ended == lock.TAKEN_STATUS
    assert (await status(place, launcher)).agent_id == "a1"
    assert launcher._runtimes.backoff.message("a1") == ""


async def test_gateway_that_goes_in_mid_creation_leaves_nothing(place: LocalPlace) -> None:
    """The caller gets an error, so there is no agent."""
    launcher = await place.open()
    creation = asyncio.create_task(launcher.create(spec(), wait_s=20))
    await eventually(lambda: bool(place.processes("a1")))
    await launcher.close()
    with pytest.raises(GatewayError):
        await creation
    assert place.processes() == []
    assert list(place.agents.iterdir()) == []


async def test_failed_creation_leaves_no_file_and_no_process(place: LocalPlace) -> None:
    """Neither folder nor socket nor child stays behind."""
    launcher = await place.open()
    with pytest.raises(GatewayError):
        await launcher.create(spec(), wait_s=0.05)
    assert place.processes() == []
    assert list(place.agents.iterdir()) == []
    assert not place.folder().socket.exists()


async def test_folder_without_facts_is_no_agent(place: LocalPlace) -> None:
    """What another gateway is just making is neither shown nor started nor removed."""
    launcher = await place.open()
    place.folder().make()
    with pytest.raises(NotFound):
        await launcher.get("a1")
    assert await launcher.list() == []
    await launcher._sweep._round(await launcher._survey())
    assert place.folder().path.exists()


async def test_old_folder_without_facts_is_collected(place: LocalPlace) -> None:
    """A gateway killed in mid-creation leaves nothing for ever; what is locked stays."""
    launcher = await place.open()
    for agent_id in ("dead", "alive"):
        place.folder(agent_id).make()
        place.folder(agent_id).lock.touch()
        os.utime(place.folder(agent_id).path, (0, 0))
    with lock.taken(place.folder("alive").lock):
        await launcher._sweep._round(await launcher._survey())
        assert not place.folder("dead").path.exists()
        assert place.folder("alive").path.exists()


async def test_many_dead_agents_are_started_a_few_at_a_time(place: LocalPlace) -> None:
    """After a reboot the machine is not flooded, and whom somebody waits for has room."""
    first = await place.open()
    names = {f"a{number}" for number in range(6)}
    for name in names:
        place.folder(name).make()
        place.folder(name).file(place.facts(name))
    most = 0

    def all_run() -> bool:
        nonlocal most
        most = max(most, len(first._runtimes._starts))
        return {name for name in names if first._runtimes.serving_target(name)} == names

    await eventually(all_run, within_s=30)
    assert 1 < most <= 4


async def test_an_agent_made_while_others_were_looked_for_is_not_forgotten(
    place: LocalPlace,
) -> None:
    """A survey that began before it existed costs it nothing; once it is gone, nothing is kept."""
    launcher = await place.open()
    before = launcher._folders.survey({})
    await launcher.create(spec(), wait_s=20)
    launcher._runtimes.keep(before.unseen)
    assert launcher._runtimes.serving_target("a1") == place.folder().target
    place.folder().socket.unlink()
    launcher._runtimes.keep(before.unseen)
    assert not launcher._runtimes._serving
