"""The runtime folder is ours alone, and its paths fit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StartFailed
from gateway.launchers.local import nudge, sockets
from gateway.launchers.local.nudge import NudgeSocket
from tests.gateway.launchers.harness import LocalPlace


@pytest.fixture
def root() -> Iterator[Path]:
    place = LocalPlace()
    yield place.root
    place.remove()


def _prepare(runtime_dir: Path) -> Path:
    folder = sockets.sockets_folder(runtime_dir, Path("/state"))
    sockets.prepare(folder)
    return folder


def test_folder_is_made_for_its_owner_only(root: Path) -> None:
    """Missing parents are made, too, and a second gateway finds it in order."""
    folder = _prepare(root / "a" / "b")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert _prepare(root / "a" / "b") == folder


def test_state_folders_do_not_share_sockets(root: Path) -> None:
    """Agents of the same id in two state folders are two agents."""
    one = sockets.sockets_folder(root, root / "one")
    assert one != sockets.sockets_folder(root, root / "two")
    assert one == sockets.sockets_folder(root, root / "two" / ".." / "one")


def test_a_link_is_refused(root: Path) -> None:
    """Somebody who put a link there would see our sockets elsewhere."""
    (root / "real").mkdir()
    (root / "link").symlink_to(root / "real")
    with pytest.raises(StartFailed, match="FORGE_RUNTIME_DIR"):
        _prepare(root / "link")


@pytest.mark.parametrize("inner", ["", "below/it"])
def test_a_folder_that_others_can_write_to_is_refused(root: Path, inner: str) -> None:
    """They could put a socket of their own in the place of an agent's."""
    (root / "open").mkdir()
    (root / "open").chmod(0o777)
    with pytest.raises(StartFailed, match="FORGE_RUNTIME_DIR"):
        _prepare(root / "open" / inner)


def test_below_a_sticky_folder_is_fine(root: Path) -> None:
    """As in /tmp: others can write there, but not replace what is ours."""
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    assert _prepare(root / "tmp" / "forge").is_dir()


@pytest.mark.parametrize("inner", ["", "below/it"])
def test_somebody_elses_folder_is_refused(root: Path, inner: str) -> None:
    """Its owner could put anything there."""
    foreign = Path("/usr")
    if os.geteuid() == 0:
        foreign = root / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
    with pytest.raises(StartFailed, match="FORGE_RUNTIME_DIR"):
        _prepare(foreign / inner)


def test_too_long_a_path_is_told_before_anything_fails(root: Path) -> None:
    """The message names the variable and how long it may be."""
    with pytest.raises(StartFailed, match=r"FORGE_RUNTIME_DIR.*at most \d+ bytes"):
        _prepare(root / ("x" * 100))


def test_the_longest_path_allowed_can_be_bound(root: Path) -> None:
    """The bound that is told is the true one."""
    with pytest.raises(StartFailed) as told:
        _prepare(root / ("x" * 200))
    room = int(str(told.value).rpartition(" bytes")[0].rpartition(" ")[2])
    fits = root / ("x" * (room - len(os.fsencode(root)) - 1))
    folder = _prepare(fits)
    assert len(os.fsencode(folder / "gateway-00000000.sock")) == sockets.MAX_PATH_BYTES


def test_a_path_that_grpc_reads_differently_is_refused(root: Path) -> None:
    """Targets are URLs to gRPC: % ? # would make another path of it."""
    with pytest.raises(StartFailed, match="%"):
        _prepare(root / "50%25")


def test_sockets_of_dead_gateways_are_cleared(root: Path) -> None:
    """Runtimes try every one there is: the dead must not pile up, the living must stay."""
    alive = NudgeSocket.reserve(root)
    Path(alive.bind.removeprefix("unix:")).touch()
    for suffix in ("sock", "lock"):
        (root / f"gateway-dead.{suffix}").touch()
    (root / "agent.sock").touch()
    nudge.clear_dead(root)
    assert not list(root.glob("gateway-dead.*"))
    assert Path(alive.bind.removeprefix("unix:")).exists()
    assert (root / "agent.sock").exists()
    alive.close()
    alive.close()
    assert not list(root.glob("gateway-*"))
