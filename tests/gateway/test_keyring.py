"""Gateway keys: made once, kept private, rotated without stranding anybody."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import KeyringError
from gateway.keyring import FILE_NAME, GatewayKey, Keyring


def test_the_first_gateway_makes_the_key_and_the_others_read_it(tmp_path: Path) -> None:
    """Twenty gateways that start at once on one folder agree on one key."""
    with ThreadPoolExecutor(20) as pool:
        rings = list(pool.map(lambda _: Keyring.load(tmp_path / "state"), range(20)))
    assert len({ring.current_id for ring in rings}) == 1
    sealed = rings[0].seal(b"target")
    assert all(ring.unseal(sealed) == b"target" for ring in rings)
    assert [path.name for path in (tmp_path / "state").iterdir()] == [FILE_NAME]


def test_a_new_key_is_on_disk_with_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the first ticket must not leave the next gateway to make another key."""
    synced: set[int] = set()
    sync = os.fsync

    def noted(fd: int) -> None:
        sync(fd)
        synced.add(os.fstat(fd).st_ino)

    monkeypatch.setattr(os, "fsync", noted)
    Keyring.load(tmp_path)
    assert {tmp_path.stat().st_ino, (tmp_path / FILE_NAME).stat().st_ino} <= synced


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """0600, in a folder of 0700; one that others can read is refused with what to do."""
    Keyring.load(tmp_path / "state")
    path = tmp_path / "state" / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o640)
    with pytest.raises(KeyringError, match="chmod 600"):
        Keyring.load(tmp_path / "state")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "k1:", "k1:!!!!", "k1:c2hvcnQ=", "a/b:" + "A" * 43 + "=", "ключ:x"],
)
def test_a_broken_file_is_named_and_not_replaced(tmp_path: Path, text: str) -> None:
    """A key that sealed tickets is never overwritten by a new one."""
    path = tmp_path / FILE_NAME
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyringError, match=FILE_NAME):
        Keyring.load(tmp_path)
    assert path.read_text("utf-8") == text


def put_in_front(path: Path) -> str:
    """The id of a new current key."""
    key = GatewayKey.new()
    path.write_text(f"{key.line()}\n{path.read_text('ascii')}", "ascii")
    return key.key_id


def test_rotation(tmp_path: Path) -> None:
    """A key put in front seals from then on; the one behind it still opens and derives."""
    before = Keyring.load(tmp_path)
    old = before.current_id
    sealed = before.seal(b"target")
    token = before.token("a", "relay", key_id=old)
    new = put_in_front(tmp_path / FILE_NAME)
    after = Keyring.load(tmp_path)
    assert after.key_ids == (new, old)
    assert after.unseal(sealed) == b"target"
    assert after.token("a", "relay", key_id=old) == token


def test_a_changed_file_is_read_within_a_second(tmp_path: Path) -> None:
    """A gateway that runs takes the new keys, and does not look at the file all the time."""
    now_s = 100.0
    ring = Keyring.load(tmp_path, clock=lambda: now_s)
    old = ring.current_id
    new = put_in_front(tmp_path / FILE_NAME)
    now_s += 0.9
    assert ring.current_id == old
    now_s += 0.2
    assert ring.key_ids == (new, old)


def test_whoever_misses_a_key_looks_at_once(tmp_path: Path) -> None:
    """What another gateway sealed or made under a key of a moment ago is no stranger here."""
    first = Keyring.load(tmp_path, clock=lambda: 100.0)
    for_tokens = Keyring.load(tmp_path, clock=lambda: 100.0)
    new = put_in_front(tmp_path / FILE_NAME)
    other = Keyring.load(tmp_path)
    assert first.unseal(other.seal(b"target")) == b"target"
    assert for_tokens.token("a", "relay", key_id=new) == other.token("a", "relay", key_id=new)


@pytest.mark.parametrize("spoil", ["broken", "readable", "gone"])
def test_a_file_that_is_spoilt_changes_nothing(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The gateway goes on with the keys it has, says so once, and takes the next good file."""
    now_s = 100.0
    ring = Keyring.load(tmp_path, clock=lambda: now_s)
    old, path = ring.current_id, tmp_path / FILE_NAME
    good = path.read_text("ascii")
    if spoil == "gone":
        path.unlink()
    else:
        path.write_text("nonsense" if spoil == "broken" else good + "\n")
        path.chmod(0o600 if spoil == "broken" else 0o644)
    for _ in range(3):
        now_s += 2
        assert ring.key_ids == (old,)
    assert [record.message for record in caplog.records] == ["gateway_keys_unusable_old_keys_stay"]
    path.write_text(good, "ascii")
    path.chmod(0o600)
    new = put_in_front(path)
    now_s += 2
    assert ring.current_id == new


def test_a_file_that_others_could_read_is_taken_once_they_cannot(tmp_path: Path) -> None:
    """Doing what the refusal says is enough, though it changes no content."""
    now_s = 100.0
    ring = Keyring.load(tmp_path, clock=lambda: now_s)
    old, path = ring.current_id, tmp_path / FILE_NAME
    new = put_in_front(path)
    path.chmod(0o644)
    now_s += 2
    assert ring.current_id == old
    path.chmod(0o600)
    now_s += 2
    assert ring.current_id == new


class SecretVolume:
    """A file as kubelet mounts it: a link to a folder that is replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keys"
        self._folder = folder
        self._written = 0
        self.path.symlink_to("..data/keys")

    def write(self, *keys: GatewayKey, mode: int = 0o440) -> None:
        self._written += 1
        folder = self._folder / f"..{self._written}"
        folder.mkdir()
        (folder / "keys").write_text("\n".join(key.line() for key in keys))
        (folder / "keys").chmod(mode)
        link = self._folder / "..data_tmp"
        link.symlink_to(folder.name)
        link.replace(self._folder / "..data")


def test_keys_of_a_secret_are_followed(tmp_path: Path) -> None:
    """Readable by the pod's group, taken again when Kubernetes has replaced them, and never
    written."""
    now_s = 100.0
    volume = SecretVolume(tmp_path)
    old, new = GatewayKey.new(), GatewayKey.new()
    volume.write(old)
    before = sorted(tmp_path.iterdir())
    ring = Keyring.mounted(volume.path, clock=lambda: now_s)
    assert ring.current_id == old.key_id
    assert sorted(tmp_path.iterdir()) == before
    volume.write(new, old)
    now_s += 2
    assert ring.key_ids == (new.key_id, old.key_id)


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """With what to do about it in its volume, not with a chmod that nobody can run there."""
    volume = SecretVolume(tmp_path)
    volume.write(GatewayKey.new(), mode=mode)
    with pytest.raises(KeyringError, match="defaultMode: 0440"):
        Keyring.mounted(volume.path)


def test_a_secret_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A replica with a key of its own could not open what the others sealed: it says what to do."""
    with pytest.raises(KeyringError, match=r"FORGE_GATEWAY_KEYS_FILE.*forge keys gateway"):
        Keyring.mounted(tmp_path / "keys")
    assert not list(tmp_path.iterdir())


def test_tokens_differ_by_agent_scope_and_key() -> None:
    """No token opens anything but the one service of the one agent."""
    ring = Keyring([GatewayKey.new(), GatewayKey.new()])
    tokens = {
        ring.token(agent, scope, key_id=key_id)
        for agent in ("a", "b")
        for scope in ("client", "relay")
        for key_id in ring.key_ids
    }
    assert len(tokens) == 8


def test_an_agent_is_given_only_the_digest() -> None:
    """What is in an agent's environment is not what opens its services."""
    ring = Keyring([GatewayKey.new()])
    token = ring.token("a", "relay", key_id=ring.current_id)
    digest = ring.token_sha256("a", "relay", key_id=ring.current_id)
    assert digest == hashlib.sha256(token.encode()).hexdigest() != token


def test_a_missing_key_is_named() -> None:
    """An agent whose key was taken out is told apart from a broken ring."""
    with pytest.raises(KeyringError, match="k-gone"):
        Keyring([GatewayKey.new()]).token("a", "relay", key_id="k-gone")


def test_two_keys_of_one_id_and_none_at_all_are_refused() -> None:
    """Which key a token derives from is never a matter of luck."""
    key = GatewayKey.new()
    with pytest.raises(KeyringError, match="same id"):
        Keyring([key, GatewayKey(key.key_id, b"x" * 32)])
    with pytest.raises(KeyringError, match="no gateway key"):
        Keyring([])


def test_a_key_never_shows_its_secret() -> None:
    """Nor in a repr, nor in what an error says."""
    key = GatewayKey("k1", b"hunter2-hunter2-hunter2-hunter2-")
    assert "hunter2" not in repr(key)
    with pytest.raises(KeyringError) as broken:
        GatewayKey.parse("k1:aHVudGVyMg==")
    assert "aHVudGVyMg" not in str(broken.value)
