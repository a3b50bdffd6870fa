"""What a receiver was told of one turn, and what must be true of it."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

from standardwebhooks import Webhook

from tests.peers.receiver import Hook, Receiver

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ok!").decode()


async def turn(receiver: Receiver, request_id: str, *, within_s: float = 30) -> list[Hook]:
    """The requests of one turn, once its final has come."""
    await receiver.noticed.until(
        lambda: any(hook.json().get("is_final") for hook in of(receiver, request_id)),
        within_s=within_s,
    )
    return of(receiver, request_id)


def of(receiver: Receiver, request_id: str) -> list[Hook]:
    return [hook for hook in receiver.hooks if hook.json()["request_id"] == request_id]


def first_seen(hooks: Sequence[Hook]) -> list[dict[str, Any]]:
    """The payloads as a receiver keeps them: the first of each id."""
    kept: dict[str, dict[str, Any]] = {}
    for hook in hooks:
        kept.setdefault(hook.id, hook.json())
    return list(kept.values())


def whole(payloads: Sequence[Mapping[str, Any]]) -> None:
    """In order, without a gap, exactly one final and that the last one."""
    seqs = [payload["seq"] for payload in payloads]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert [bool(payload.get("is_final")) for payload in payloads] == [False] * (
        len(payloads) - 1
    ) + [True]


def text(payloads: Sequence[Mapping[str, Any]]) -> str:
    """All streamed text, joined."""
    return "".join(p["data"]["text"] for p in payloads if p.get("kind") == "text.delta")


def signed(hook: Hook, secret: str = SECRET) -> None:
    """Both signatures hold, each checked by other code than ours."""
    Webhook(secret).verify(hook.body, dict(hook.headers))
    signed = hook.headers["x-forge-timestamp"].encode() + b"." + hook.body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    assert hook.headers["x-forge-signature"] == f"sha256={digest}"
