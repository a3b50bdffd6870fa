"""Tickets: sealed, bound to their turn, and made only of targets that can work."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.ticket import (
    MAX_SECRET_BYTES,
    MAX_TICKET_BYTES,
    MAX_URL_BYTES,
    check_target,
    seal,
    unseal,
)
from gateway.errors import BadRequest, SealBroken
from gateway.keyring import GatewayKey, Keyring
from gateway.model import Batch, Target

RING = Keyring([GatewayKey.new()])
TARGET = Target(webhook_url="https://example.test/hook", webhook_secret="s3cret")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


batches = st.none() | st.builds(
    Batch, max_events=st.integers(1, 64), max_wait_ms=st.integers(0, 60_000)
)


@given(agent_id=texts, request_id=texts, url=texts, secret=texts, batch=batches)
def test_what_was_sealed_comes_out(
    agent_id: str, request_id: str, url: str, secret: str, batch: Batch | None
) -> None:
    """A gateway opens a ticket to exactly the target it was made of."""
    target = Target(webhook_url=url, webhook_secret=secret, batch=batch)
    ticket = seal(RING, agent_id=agent_id, request_id=request_id, target=target)
    assert unseal(RING, ticket, agent_id=agent_id, request_id=request_id) == target


@given(sealed=st.tuples(texts, texts), opened=st.tuples(texts, texts))
def test_fault_22_a_ticket_opens_for_its_own_turn_only(
    sealed: tuple[str, str], opened: tuple[str, str]
) -> None:
    """A ticket moved to another turn or agent does not open, however the ids are cut."""
    ticket = seal(RING, agent_id=sealed[0], request_id=sealed[1], target=TARGET)
    if sealed == opened:
        assert unseal(RING, ticket, agent_id=opened[0], request_id=opened[1]) == TARGET
    else:
        with pytest.raises(SealBroken):
            unseal(RING, ticket, agent_id=opened[0], request_id=opened[1])


@given(cut=st.integers(0, 200), bit=st.integers(0, 7))
def test_an_altered_ticket_does_not_open(cut: int, bit: int) -> None:
    """One flipped bit anywhere, and no target comes out."""
    ticket = bytearray(seal(RING, agent_id="a", request_id="r", target=TARGET))
    at = cut % len(ticket)
    before = bytes(ticket)
    ticket[at] ^= 1 << bit
    if base64.urlsafe_b64decode(before) == _decoded(bytes(ticket)):
        return  # the unused bits at the end of base64
    with pytest.raises(SealBroken):
        unseal(RING, bytes(ticket), agent_id="a", request_id="r")


def test_a_giant_ticket_is_not_looked_at() -> None:
    """Not even one that would open: 30 MB of it would hold everything else up."""
    target = Target(webhook_url="https://example.test/" + "x" * MAX_TICKET_BYTES)
    ticket = seal(RING, agent_id="a", request_id="r", target=target)
    with pytest.raises(SealBroken, match="longer"):
        unseal(RING, ticket, agent_id="a", request_id="r")


def test_the_longest_target_fits_into_a_ticket() -> None:
    """Whatever is accepted can be opened again."""
    target = Target(
        webhook_url="https://example.test/" + "x" * (MAX_URL_BYTES - 21),
        webhook_secret="s" * MAX_SECRET_BYTES,
        batch=Batch(max_events=64, max_wait_ms=60_000),
    )
    check_target(target.webhook_url, target.webhook_secret)
    ticket = seal(RING, agent_id="a" * 128, request_id="r" * 128, target=target)
    assert len(ticket) <= MAX_TICKET_BYTES
    unseal(RING, ticket, agent_id="a" * 128, request_id="r" * 128)


def test_a_ticket_holds_nothing_readable() -> None:
    """An agent that reads its own journal learns neither URL nor secret."""
    ticket = seal(RING, agent_id="a", request_id="r", target=TARGET)
    plain = base64.urlsafe_b64decode(ticket)
    assert b"s3cret" not in plain
    assert b"example" not in plain


def test_tickets_of_an_older_key_still_open() -> None:
    """Rotating the gateway key strands no turn; taking the old one out does."""
    old, new = GatewayKey.new(), GatewayKey.new()
    ticket = seal(Keyring([old]), agent_id="a", request_id="r", target=TARGET)
    assert unseal(Keyring([new, old]), ticket, agent_id="a", request_id="r") == TARGET
    with pytest.raises(SealBroken):
        unseal(Keyring([new]), ticket, agent_id="a", request_id="r")


def test_tickets_from_before_there_were_batches_open() -> None:
    """Turns under way survive an upgrade of their gateway."""
    ticket = RING.seal(b'["a","r","https://example.test/hook","s3cret"]')
    assert unseal(RING, ticket, agent_id="a", request_id="r") == TARGET


def test_something_else_under_our_seal_is_no_ticket() -> None:
    """What the keys sealed for another purpose is refused in our own words."""
    with pytest.raises(SealBroken):
        unseal(RING, RING.seal(b'{"not":"a ticket"}'), agent_id="a", request_id="r")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/hook",
        "https://example.test/hook?token=1#part",
        "https://bücher.example/h",
        "http://[::1]:8080/",
        "HTTPS://EXAMPLE.test",
    ],
)
def test_usable_urls_are_taken_as_they_are(url: str) -> None:
    """A URL that works is not changed on its way into the ticket."""
    assert check_target(url, None) == Target(webhook_url=url, webhook_secret="")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.test/hook",
        "/hook",
        "ftp://example.test",
        "file:///etc/passwd",
        "http://",
        "http:///hook",
        "http://example.test:99999/",
        "http://example.test:0/",
        "http://xn--/",
        "http://xn--zzzzzz/",
        "http://example.test:x/",
        "http://user:pass@example.test/",
        "http://user@example.test/",
        "http://example.test/a b",
        "http://example.test/\r\nX-Evil: 1",
        " http://example.test/",
        "http://[::1/",
        "http://" + "a" * 300 + ".test/",
        "http://example.test/" + "x" * 2048,
        "http://example.test/\ud800",
    ],
)
def test_urls_that_cannot_work_are_refused_by_name(url: str) -> None:
    """The caller hears at once which field is wrong, not the retries for a day."""
    with pytest.raises(BadRequest, match="webhook_url"):
        check_target(url, "s")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_no base64", "x" * 513, "ü" * 257, "\ud800"])
def test_secrets_that_cannot_work_are_refused_by_name(secret: str) -> None:
    """A secret that could not sign is refused before anything is accepted, and not repeated."""
    with pytest.raises(BadRequest, match="webhook_secret") as refused:
        check_target("https://example.test/", secret)
    assert secret[:8] not in str(refused.value) or secret == "whsec_"


@pytest.mark.parametrize("secret", ["", None])
def test_an_empty_secret_is_none(secret: str | None) -> None:
    """`""` counts as no secret."""
    assert check_target("https://example.test/", secret).webhook_secret == ""


def _decoded(ticket: bytes) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(ticket)
    except ValueError:
        return None
