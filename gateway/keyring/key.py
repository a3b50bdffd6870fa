"""One gateway key: an id and 32 random bytes."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Literal, Self

from cryptography.fernet import Fernet

from gateway.errors import KeyringError

Scope = Literal["client", "relay"]
"""client: agent.v1, for direct gRPC clients. relay: relay.v1, for gateways."""

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
