"""The file of the gateway keys: one `id:base64url` a line, the current key first.

Two kinds. `<state>/gateway-keys` is the gateways' own: 0600, made on first use by
whichever comes first, replaced whole when keys are rotated. A mounted one comes
from a Secret: the gateway only reads it, and Kubernetes replaces it.
"""

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import KeyringError
from gateway.keyring.key import GatewayKey

FILE_NAME = "gateway-keys"
LOOK_EVERY_S = 1.0

_OWN = 0o077
"""What nobody may: group and others, anything."""
_MOUNTED = 0o027
"""A Secret belongs to root and is read by the pod's group (fsGroup)."""

_logger = logging.getLogger(__name__)

_Version = tuple[int, int, int]
"""Inode, size and time of change, of its mode too: another one is another file to look at."""


def read(path: Path, *, mounted: bool = False) -> tuple[GatewayKey, ...]:
    """Raises KeyringError: it cannot be read, is broken, or others may read it."""
    try:
        _check_private(path, mounted=mounted)
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise KeyringError(f"the gateway keys in {path} cannot be read: {error}") from error
    try:
        return checked([GatewayKey.parse(line) for line in lines])
    except KeyringError as error:
        raise KeyringError(f"{path}: {error}") from error


def _check_private(path: Path, *, mounted: bool) -> None:
    mode = path.stat().st_mode
    if mounted and mode & _MOUNTED:
        raise KeyringError(f"{path} can be read by others; set defaultMode: 0440 of its volume")
    if not mounted and mode & _OWN:
        raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}")


def checked(keys: Sequence[GatewayKey]) -> tuple[GatewayKey, ...]:
    """The keys, if a ring can be made of them. Raises KeyringError."""
    if not keys:
        raise KeyringError("there is no gateway key; one line `id:base64url` is needed")
    if len({key.key_id for key in keys}) != len(keys):
        raise KeyringError("two gateway keys have the same id")
    return tuple(keys)


def make_once(path: Path) -> None:
    """Create it whole or not at all, whoever else tries at the same time. Raises KeyringError."""
    if path.exists():
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _draft(path, [GatewayKey.new()])
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        _sync_folder(path.parent)  # a power cut must not lose the key that already seals
    except OSError as error:
        raise KeyringError(f"the gateway keys in {path} cannot be made: {error}") from error


def replace(path: Path, keys: Sequence[GatewayKey]) -> None:
    """Whole or not at all, and on disk when it returns. One at a time. Raises KeyringError."""
    try:
        _draft(path, checked(keys)).replace(path)
        for left in path.parent.glob(f".{path.name}.*"):  # by one that was killed
            left.unlink()
        _sync_folder(path.parent)
    except OSError as error:
        raise KeyringError(f"the gateway keys in {path} cannot be written: {error}") from error


def _draft(path: Path, keys: Sequence[GatewayKey]) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    with draft.open("w", encoding="ascii") as file:
        file.writelines(f"{key.line()}\n" for key in keys)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class KeyFile:
    """Reads the file again when it has changed, and looks whether it has once a second at most.

    A file that cannot be used any more changes nothing but the log.
    """

    def __init__(self, path: Path, clock: Callable[[], float], *, mounted: bool = False) -> None:
        self._path = path
        self._mounted = mounted
        self._clock = clock
        self._look_at_s = clock() + LOOK_EVERY_S
        self._seen: _Version | None = _version(path)

    def changed(self, *, now: bool = False) -> tuple[GatewayKey, ...] | None:
        """The keys, if they are other ones than before. `now`: look, whenever it was done last."""
        if not now and self._clock() < self._look_at_s:
            return None
        self._look_at_s = self._clock() + LOOK_EVERY_S
        version = _version(self._path)
        if version == self._seen:
            return None
        self._seen = version
        try:
            keys = read(self._path, mounted=self._mounted)
        except KeyringError as error:
            reason = str(error)
            _logger.error("gateway_keys_unusable_old_keys_stay", extra={"reason": reason})  # noqa: TRY400 - no fault of ours
            return None
        _logger.info("gateway_keys_read", extra={"keys": [key.key_id for key in keys]})
        return keys


def _version(path: Path) -> _Version | None:
    """None where there is none."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_ctime_ns
