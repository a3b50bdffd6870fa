"""Signatures against independent implementations."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.delivery.signature import Signer


def now() -> int:
    return int(datetime.now(UTC).timestamp())


secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(
    lambda text: not text.startswith("whsec_")
)
bodies = st.dictionaries(st.text(max_size=8), st.text(max_size=64)).map(
    lambda fields: json.dumps(fields).encode()
)


@given(secret=secrets, body=bodies, at_s=st.integers(0, 2**40))
def test_older_signature_is_what_older_receivers_compute(
    secret: str, body: bytes, at_s: int
) -> None:
    """A receiver of the older headers can verify with the secret's bytes and nothing else."""
    headers = Signer.of(secret).headers("a_1", body, at_s=at_s)
    expected = hmac.new(secret.encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["X-Forge-Timestamp"] == str(at_s)
    assert headers["X-Forge-Signature"] == f"sha256={expected}"


@given(key=st.binary(min_size=1, max_size=64), body=bodies)
def test_standard_verifier_accepts_whsec_secrets(key: bytes, body: bytes) -> None:
    """What stands in a dashboard as `whsec_...` verifies with the standard library."""
    secret = "whsec_" + base64.b64encode(key).decode()
    headers = Signer.of(secret).headers("agent_7", body, at_s=now())
    assert Webhook(secret).verify(body, headers) == json.loads(body)


@given(secret=secrets, body=bodies)
def test_standard_verifier_accepts_plain_secrets(secret: str, body: bytes) -> None:
    """Any other secret is used as its bytes."""
    headers = Signer.of(secret).headers("agent_7", body, at_s=now())
    Webhook(base64.b64encode(secret.encode()).decode()).verify(body, headers)


def test_older_signature_takes_a_whsec_secret_as_it_stands() -> None:
    """Receivers that verified `whsec_` secrets by their characters go on to do so."""
    headers = Signer.of("whsec_c2VjcmV0").headers("a_1", b"{}", at_s=5)
    expected = hmac.new(b"whsec_c2VjcmV0", b"5.{}", hashlib.sha256).hexdigest()
    assert headers["X-Forge-Signature"] == f"sha256={expected}"


def test_fault_20_without_a_secret_only_id_and_time_are_sent() -> None:
    """An unsigned webhook never looks signed, and can still be told from its repeats."""
    assert Signer.of("").headers("a_1", b"{}", at_s=5) == {
        "webhook-id": "a_1",
        "webhook-timestamp": "5",
    }


def test_fault_21_an_edited_body_or_an_old_timestamp_is_rejected() -> None:
    """A standard verifier catches a changed byte, and a replay after five minutes."""
    secret = "whsec_" + base64.b64encode(b"k" * 24).decode()
    signer, verifier = Signer.of(secret), Webhook(secret)
    body = b'{"a":1}'
    fresh = signer.headers("a_1", body, at_s=now())
    with pytest.raises(WebhookVerificationError):
        verifier.verify(b'{"a":2}', fresh)
    off = timedelta(minutes=5, seconds=5)
    for at in (datetime.now(UTC) - off, datetime.now(UTC) + off):
        with pytest.raises(WebhookVerificationError):
            verifier.verify(body, signer.headers("a_1", body, at_s=int(at.timestamp())))


@pytest.mark.parametrize("secret", ["whsec_", "whsec_***", "whsec_abc", "whsec_c2Vj cmV0"])
def test_a_secret_that_is_no_base64_is_refused(secret: str) -> None:
    """Nobody gets webhooks signed with something else than they think."""
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError is refused by the ticket
        Signer.of(secret)


def test_a_signer_never_shows_its_secret() -> None:
    """A signer in a log line or a traceback tells nothing."""
    assert "hunter2" not in repr(Signer.of("hunter2"))
