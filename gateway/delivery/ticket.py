"""The ticket: a turn's delivery target, sealed so that only a gateway can open it.

The agent keeps it beside the turn and hands it to whichever gateway relays. The
ids of agent and turn are sealed in, so that a ticket copied to another turn or
another agent does not open there.
"""

import re

import msgspec
from yarl import URL

from gateway.delivery.signature import Signer
from gateway.errors import BadRequest, SealBroken
from gateway.keyring import Keyring
from gateway.model import Batch, Target

MAX_URL_BYTES = 2048
MAX_SECRET_BYTES = 512
MAX_TICKET_BYTES = 8 * 1024
"""More than the longest URL, secret and ids need, sealed; a runtime takes no more either."""

_BLANK_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class _Sealed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    agent_id: str
    request_id: str
    webhook_url: str
    webhook_secret: str
    batch: tuple[int, int] | None = None
    """max_events, max_wait_ms"""


def check_target(url: str, secret: str | None) -> Target:
    """What a caller asked for, as a target that attempts can use. "" and None: unsigned.

    Raises:
        BadRequest: names webhook_url or webhook_secret and what would be right.
    """
    _check_url(url)
    _check_secret(secret or "")
    return Target(webhook_url=url, webhook_secret=secret or "")


def seal(keyring: Keyring, *, agent_id: str, request_id: str, target: Target) -> bytes:
    """The ticket of one turn, under the current gateway key."""
    batch = (target.batch.max_events, target.batch.max_wait_ms) if target.batch else None
    sealed = _Sealed(agent_id, request_id, target.webhook_url, target.webhook_secret, batch)
    return keyring.seal(msgspec.json.encode(sealed))


def unseal(keyring: Keyring, ticket: bytes, *, agent_id: str, request_id: str) -> Target:
    """The target in a ticket of exactly this turn.

    Raises:
        SealBroken: no key opens it, or it was made for another turn or agent.
    """
    if len(ticket) > MAX_TICKET_BYTES:
        raise SealBroken("the ticket is longer than any that was sealed")
    try:
        sealed = msgspec.json.decode(keyring.unseal(ticket), type=_Sealed)
    except msgspec.MsgspecError as error:
        raise SealBroken("the ticket holds something else than a target") from error
    if (sealed.agent_id, sealed.request_id) != (agent_id, request_id):
        raise SealBroken("the ticket was sealed for another turn")
    batch = sealed.batch and Batch(max_events=sealed.batch[0], max_wait_ms=sealed.batch[1])
    return Target(webhook_url=sealed.webhook_url, webhook_secret=sealed.webhook_secret, batch=batch)


def _check_url(text: str) -> None:
    if _utf8_bytes(text, "webhook_url") > MAX_URL_BYTES:
        raise BadRequest(f"webhook_url: at most {MAX_URL_BYTES} bytes are allowed")
    if _BLANK_OR_CONTROL.search(text):
        raise BadRequest("webhook_url: blanks and control characters must be percent-encoded")
    try:
        url = URL(text)
        host, port = url.raw_host, url.explicit_port
        _ = url.host  # a name in xn-- form that stands for nothing is told only here
    except ValueError as error:
        raise BadRequest("webhook_url: an http or https URL is needed") from error
    if url.scheme not in ("http", "https") or not host or port == 0 or _too_long(host):
        raise BadRequest("webhook_url: an http or https URL with a host is needed")
    if url.user is not None or url.password is not None:
        raise BadRequest("webhook_url: credentials do not belong in it; use webhook_secret")


def _too_long(host: str) -> bool:
    """For the domain name system (RFC 1035, 2.3.4)."""
    return len(host) > 253 or max(map(len, host.split("."))) > 63


def _check_secret(secret: str) -> None:
    if _utf8_bytes(secret, "webhook_secret") > MAX_SECRET_BYTES:
        raise BadRequest(f"webhook_secret: at most {MAX_SECRET_BYTES} bytes are allowed")
    try:
        Signer.of(secret)
    except ValueError as error:
        raise BadRequest("webhook_secret: base64 is needed after `whsec_`") from error


def _utf8_bytes(text: str, name: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequest(f"{name}: it is not Unicode text") from error
