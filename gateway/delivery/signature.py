"""Both signatures of a webhook: Standard Webhooks, and the older X-Forge headers."""

import base64
import hmac
from dataclasses import dataclass, field
from typing import Self

_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs under one secret; made by `of`. Of "" it signs nothing but names id and time.

    Standard Webhooks: of a `whsec_` secret the rest is base64, any other is used
    as its bytes. The older signature takes the secret's bytes as they stand.
    Both keys are prepared once, which halves the cost of a signature.
    """

    _standard: hmac.HMAC | None = field(repr=False)
    _older: hmac.HMAC | None = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> Self:
        """Raises ValueError when what follows `whsec_` is no base64, or nothing."""
        if not secret:
            return cls(None, None)
        return cls(_keyed(_standard_key(secret)), _keyed(secret.encode()))

    def headers(self, webhook_id: str, body: bytes, *, at_s: int) -> dict[str, str]:
        """What vouches for exactly these bytes, sent at this Unix time."""
        headers = {"webhook-id": webhook_id, "webhook-timestamp": str(at_s)}
        if self._standard is not None and self._older is not None:
            digest = _digest(self._standard, f"{webhook_id}.{at_s}.", body)
            older = _digest(self._older, f"{at_s}.", body)
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
            headers["X-Forge-Timestamp"] = str(at_s)
            headers["X-Forge-Signature"] = f"sha256={older.hex()}"
        return headers


def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def _digest(keyed: hmac.HMAC, prefix: str, body: bytes) -> bytes:
    code = keyed.copy()
    code.update(prefix.encode())
    code.update(body)
    return code.digest()


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not key:
        raise ValueError("the secret is empty")
    return key
