"""From the tombstone to nothing."""

import grpc
import pytest

from gateway.errors import NotFound
from gateway.launchers.local import LocalLauncher
from proto.relay.v1 import relay_pb2, relay_pb2_grpc
from tests.gateway.launchers.harness import LocalPlace, eventually, spec, submit


async def _retire(place: LocalPlace, launcher: LocalLauncher) -> None:
    """What the caller of `delete` tells the runtime."""
    token = place.keyring.token("a1", "relay", key_id=place.keyring.current_id)
    async with grpc.aio.insecure_channel(await launcher.reach("a1", timeout_s=5)) as channel:
        await relay_pb2_grpc.RelayServiceStub(channel).Retire(
            relay_pb2.RetireRequest(),
            metadata=(("authorization", f"Bearer {token}"),),
            timeout=10,
        )


async def test_retired_agent_leaves_nothing(place: LocalPlace) -> None:
    """Once it has ended, folder, socket and process are gone."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    folder = place.folder()
    await launcher.delete("a1")
    await _retire(place, launcher)
    await eventually(lambda: not any(place.agents.iterdir()))
    assert not folder.socket.exists()
    await eventually(lambda: place.processes() == [])
    with pytest.raises(NotFound):
        await launcher.reach("a1", timeout_s=1)
    assert (await launcher.create(spec(), wait_s=20)).ready


async def test_deleted_agent_that_was_killed_is_started_to_deliver(place: LocalPlace) -> None:
    """It comes up once more, finds nothing left to do, and is removed."""
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await launcher.delete("a1")
    await place.kill("a1")
    await eventually(lambda: not any(place.agents.iterdir()))


async def test_idle_agent_is_removed_without_a_start(
    place: LocalPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """One that had nothing left to do when it was deleted need not run to be removed."""
    caplog.set_level("INFO")
    place.configure(FORGE_IDLE_EXIT="1s")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    folder = place.folder()
    await eventually(lambda: folder.is_clean() and not folder.is_running())
    await launcher.delete("a1")
    with pytest.raises(NotFound):
        await launcher.reach("a1", timeout_s=1)
    await eventually(lambda: not any(place.agents.iterdir()))
    assert caplog.messages.count("runtime_started") == 1


async def test_done_agent_is_not_started_by_who_comes_late(
    place: LocalPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """Who looked before it ended finds that it is gone, and does not make a runtime of nothing."""
    caplog.set_level("INFO")
    launcher = await place.open()
    folder = place.folder()
    folder.make()
    folder.clean.touch()
    folder.bury()
    with pytest.raises(NotFound):
        await launcher._runtimes.up(folder, place.facts("a1"), timeout_s=15)
    assert "runtime_started" not in caplog.messages


async def test_deletion_outlives_the_gateway(place: LocalPlace) -> None:
    """One that was never told to the living runtime, which works, is finished all the same."""
    first = await place.open()
    await first.create(spec(), wait_s=20)
    await submit(place, first, "echo started; sleep 600")
    await first.delete("a1")
    await first.close()
    assert place.processes("a1")
    second = await place.open()
    assert await second.list() == []
    await eventually(lambda: not any(place.agents.iterdir()), within_s=30)
    await eventually(lambda: place.processes() == [])


async def test_trash_outlives_the_gateway(place: LocalPlace) -> None:
    """What one gateway had no time to remove the next one does, read-only folders included."""
    trash = place.agents / ".trash-old-1" / "workspace" / "read-only"
    trash.mkdir(parents=True)
    (trash / "file").touch()
    trash.chmod(0o500)
    await place.open()
    await eventually(lambda: not any(place.agents.iterdir()))
