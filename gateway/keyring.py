"""Gateway keys: they seal tickets and derive the tokens of agents.

A key is an id and 32 random bytes. The first of the ring is the current one:
it seals, and new agents derive from it. The others still open and derive, so
that agents made under them go on. No token is stored anywhere: it is the HMAC
of its key over agent id and scope, and an agent is given only its SHA-256.

The file (`<state>/gateway-keys`, 0600) holds one `id:base64url` a line, the
current key first; it is made on first use, by whichever gateway comes first.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gateway.errors import KeyringError, SealBroken

Scope = Literal["client", "relay"]
"""client: agent.v1, for direct gRPC clients. relay: relay.v1, for gateways."""

FILE_NAME = "gateway-keys"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """One key. `repr` hides the secret."""

    key_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(f"k{secrets.token_hex(4)}", secrets.token_bytes(_KEY_BYTES))

    @classmethod
    def parse(cls, line: str) -> Self:
        key_id, _, encoded = line.partition(":")
        try:
            secret = base64.urlsafe_b64decode(encoded)
        except (binascii.Error, ValueError) as error:
            raise KeyringError("a gateway key is not `id:base64url`") from error
        if not _KEY_ID.fullmatch(key_id) or len(secret) != _KEY_BYTES:
            raise KeyringError("a gateway key is not `id:base64url` of 32 bytes")
        return cls(key_id, secret)

    def line(self) -> str:
        return f"{self.key_id}:{base64.urlsafe_b64encode(self.secret).decode()}"

    def fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self._derive(b"seal")))

    def token(self, agent_id: str, scope: Scope) -> str:
        return self._derive(f"token\0{scope}\0{agent_id}".encode()).hex()

    def _derive(self, purpose: bytes) -> bytes:
        return hmac.new(self.secret, purpose, hashlib.sha256).digest()


class Keyring:
    """The keys of this gateway, current one first. Read-only after construction."""

    def __init__(self, keys: list[GatewayKey]) -> None:
        if not keys:
            raise KeyringError("there is no gateway key; one line `id:base64url` is needed")
        self._keys = {key.key_id: key for key in keys}
        if len(self._keys) != len(keys):
            raise KeyringError("two gateway keys have the same id")
        self._fernet = MultiFernet([key.fernet() for key in keys])
        self.current_id = keys[0].key_id

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The ring of this state folder; makes the first key when there is none.

        Raises:
            KeyringError: the file cannot be read, is broken, or others may read it.
        """
        path = folder / FILE_NAME
        try:
            _make_once(path)
            if path.stat().st_mode & 0o077:
                raise KeyringError(f"{path} can be read by others; run: chmod 600 {path}")
            lines = path.read_text("ascii").split()
        except (OSError, UnicodeDecodeError) as error:
            raise KeyringError(f"the gateway keys in {path} cannot be read: {error}") from error
        try:
            return cls([GatewayKey.parse(line) for line in lines])
        except KeyringError as error:
            raise KeyringError(f"{path}: {error}") from error

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All keys, the current one first."""
        return tuple(self._keys)

    def seal(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises SealBroken when none of the keys sealed it, or it was altered."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise SealBroken("no gateway key opens this ticket") from error

    def token(self, agent_id: str, scope: Scope, *, key_id: str) -> str:
        """The bearer token of that agent and scope.

        Raises:
            KeyringError: the key it derives from is not in the ring any more.
        """
        key = self._keys.get(key_id)
        if key is None:
            raise KeyringError(f"agent {agent_id} refers to gateway key {key_id}, which is missing")
        return key.token(agent_id, scope)

    def token_sha256(self, agent_id: str, scope: Scope, *, key_id: str) -> str:
        """What the agent is given instead of the token, in hex."""
        return hashlib.sha256(self.token(agent_id, scope, key_id=key_id).encode()).hexdigest()


def _make_once(path: Path) -> None:
    """Create the file whole or not at all, whoever else tries at the same time."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    try:
        draft.write_text(GatewayKey.new().line() + "\n", "ascii")
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_folder(path.parent)  # a power cut must not lose the key that already seals


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
