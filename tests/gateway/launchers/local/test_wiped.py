"""The runtime folder is wiped under living agents: at logout, or by who cleans /tmp."""

import shutil

import pytest

from tests.gateway.launchers.harness import LocalPlace, eventually, spec, status, submit


async def test_agent_without_its_socket_is_reached_again(place: LocalPlace) -> None:
    """A message in that moment waits for the next runtime, also where the last one owes events."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await submit(place, launcher, "echo owed", ticket=b"sealed")
    (before,) = place.processes("a1")
    place.folder().socket.unlink()
    assert (await status(place, launcher)).agent_id == "a1"
    assert before.ended.done()


async def test_adopted_agent_without_its_socket_is_reached_again(place: LocalPlace) -> None:
    """Also by a gateway that did not start it."""
    first = await place.open()
    await first.create(spec(), wait_s=20)
    second = await place.open()
    place.folder().socket.unlink()
    assert (await status(place, second)).agent_id == "a1"


async def test_agent_that_owes_events_comes_back_by_itself(place: LocalPlace) -> None:
    """With the whole folder gone: nobody need ask for it, what it has is delivered."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await submit(place, launcher, "echo owed", ticket=b"sealed")
    (before,) = place.processes("a1")
    shutil.rmtree(place.settings.runtime_dir)
    await eventually(before.ended.done)
    assert not place.folder().is_clean()
    await eventually(lambda: launcher._runtimes.serving_target("a1") is not None, within_s=30)


async def test_agents_are_made_after_the_folder_was_wiped(
    place: LocalPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway makes it anew, for its owner only, and goes on."""
    launcher = await place.open()
    shutil.rmtree(place.settings.runtime_dir)
    sockets = place.folder().socket.parent
    await eventually(sockets.is_dir)
    assert sockets.stat().st_mode & 0o777 == 0o700
    assert (await launcher.create(spec(), wait_s=20)).ready
    assert "sweep_failed" not in caplog.messages
