"""The keys that the other rooms use, as they are now."""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from cryptography.fernet import InvalidToken, MultiFernet

from gateway.errors import KeyringError, SealBroken
from gateway.keyring.file import FILE_NAME, KeyFile, checked, make_once, read
from gateway.keyring.key import GatewayKey, Scope

_logger = logging.getLogger(__name__)


class _Ring:
    """The keys of one moment. Immutable."""

    def __init__(self, keys: Sequence[GatewayKey]) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.fernet = MultiFernet([key.fernet() for key in keys])


class Keyring:
    """The keys of this gateway, current one first.

    With a file behind them, a change of it is seen within a second, and at once
    by whoever misses a key.
    """

    def __init__(self, keys: Sequence[GatewayKey], file: KeyFile | None = None) -> None:
        """Raises KeyringError for no keys, or two of one id."""
        self._ring = _Ring(checked(keys))
        self._file = file

    @classmethod
    def load(cls, folder: Path, clock: Callable[[], float] = time.monotonic) -> Self:
        """The ring of this state folder; makes the first key when there is none.

        Raises:
            KeyringError: the file cannot be read, is broken, or others may read it.
        """
        path = folder / FILE_NAME
        make_once(path)
        file = KeyFile(path, clock)
        return cls(read(path), file)

    @classmethod
    def mounted(cls, path: Path, clock: Callable[[], float] = time.monotonic) -> Self:
        """The ring of a file from a Secret, which is never made or changed here.

        Raises:
            KeyringError: there is none, it cannot be read, is broken, or others may read it.
        """
        if not path.exists():
            raise KeyringError(
                f"FORGE_GATEWAY_KEYS_FILE: there is no {path}; put a line that `forge keys "
                "gateway` prints into the Secret that is mounted there"
            )
        file = KeyFile(path, clock, mounted=True)
        ring = cls(read(path, mounted=True), file)
        _logger.info("gateway_keys_read", extra={"keys": list(ring.key_ids)})
        return ring

    @property
    def current_id(self) -> str:
        """The key that seals, and that new agents derive from."""
        return self.key_ids[0]

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All keys, the current one first."""
        return tuple(self._now().keys)

    def seal(self, plain: bytes) -> bytes:
        return self._now().fernet.encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises SealBroken when none of the keys sealed it, or it was altered."""
        try:
            return self._now().fernet.decrypt(sealed)
        except InvalidToken:
            pass  # another gateway may have sealed it with a key that has just been added
        try:
            return self._now(missed=True).fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken("no gateway key opens this ticket") from error

    def token(self, agent_id: str, scope: Scope, *, key_id: str) -> str:
        """The bearer token of that agent and scope.

        Raises:
            KeyringError: the key it derives from is not in the ring any more.
        """
        key = self._now().keys.get(key_id) or self._now(missed=True).keys.get(key_id)
        if key is None:
            raise KeyringError(f"agent {agent_id} refers to gateway key {key_id}, which is missing")
        return key.token(agent_id, scope)

    def token_sha256(self, agent_id: str, scope: Scope, *, key_id: str) -> str:
        """What the agent is given instead of the token, in hex."""
        return hashlib.sha256(self.token(agent_id, scope, key_id=key_id).encode()).hexdigest()

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        self._now()

    def _now(self, *, missed: bool = False) -> _Ring:
        keys = self._file.changed(now=missed) if self._file is not None else None
        if keys is not None:
            self._ring = _Ring(keys)
        return self._ring
