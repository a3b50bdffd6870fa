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
    """

    _plain: bytes = field(repr=False)
    _standard: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str) -> Self:
        """Raises ValueError when what follows `whsec_` is no base64, or nothing."""
        return cls(secret.encode(), _standard_key(secret))

    def headers(self, webhook_id: str, body: bytes, *, at_s: int) -> dict[str, str]:
        """What vouches for exactly these bytes, sent at this Unix time."""
        headers = {"webhook-id": webhook_id, "webhook-timestamp": str(at_s)}
        if self._plain:
            signed = f"{webhook_id}.{at_s}.".encode() + body
            digest = hmac.digest(self._standard, signed, "sha256")
            older = hmac.digest(self._plain, f"{at_s}.".encode() + body, "sha256")
            headers["webhook-signature"] = f"v1,{base64.b64encode(digest).decode()}"
            headers["X-Forge-Timestamp"] = str(at_s)
            headers["X-Forge-Signature"] = f"sha256={older.hex()}"
        return headers


def _standard_key(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    if not key:
        raise ValueError("the secret is empty")
    return key
