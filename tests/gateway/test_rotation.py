"""Rotation by several at once, and by one who is killed in the middle."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway import rotation
from gateway.errors import KeyringError
from gateway.keyring import FILE_NAME, Keyring
from gateway.settings import Settings

ADD_FOR_EVER = """
import os
from gateway import rotation
from gateway.settings import Settings
settings = Settings.from_env(os.environ)
while True:
    print(*rotation.add(settings), flush=True)
"""


def settings_of(folder: Path) -> Settings:
    return Settings.from_env({"FORGE_STATE_DIR": str(folder)})


def add(settings: Settings) -> str:
    """The id of the new key, "" where somebody else was at it."""
    try:
        return rotation.add(settings)[-1]
    except KeyringError as error:
        assert "somebody else" in str(error)  # noqa: PT017 - either way is right
        return ""


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    """Whoever was told that a key is added finds it there; the others are told to repeat."""
    first = Keyring.load(tmp_path).current_id
    settings = settings_of(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        added = [key for key in pool.map(lambda _: add(settings), range(40)) if key]
    assert added
    ids = Keyring.load(tmp_path).key_ids
    assert ids[0] == first
    assert sorted(ids[1:]) == sorted(added)


def test_a_rotation_that_is_killed_leaves_a_ring(tmp_path: Path) -> None:
    """Whenever: the file is whole, has every key that was told, and no copy of it stays."""
    Keyring.load(tmp_path)
    env = {**os.environ, "FORGE_STATE_DIR": str(tmp_path)}
    for _ in range(5):
        command = (sys.executable, "-c", ADD_FOR_EVER)
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as adding:
            assert adding.stdout is not None
            adding.stdout.readline()
            adding.send_signal(signal.SIGKILL)
            told = adding.stdout.read().splitlines()
        ids = Keyring.load(tmp_path).key_ids
        if told:
            assert ids[: len(told[-1].split())] == tuple(told[-1].split())
    (tmp_path / f".{FILE_NAME}.9.killed").touch()
    rotation.add(settings_of(tmp_path))
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_keys_of_a_secret_are_not_rotated_here(tmp_path: Path) -> None:
    """A step that would change a file which no gateway reads is refused, and says where to go."""
    settings = Settings.from_env({"FORGE_GATEWAY_KEYS_FILE": str(tmp_path / "keys")})
    with pytest.raises(KeyringError, match="come from a Secret"):
        rotation.add(settings)
    assert not list(tmp_path.iterdir())
