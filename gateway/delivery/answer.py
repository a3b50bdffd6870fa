"""What a receiver's answer means for an event."""

import math
import time
from email.utils import parsedate_to_datetime
from enum import Enum

import msgspec

_WORTH_REPEATING = frozenset({404, 407, 408, 409, 425, 429})
"""407 is a proxy's; the others may pass."""
_GONE = 410


class Verdict(Enum):
    """What becomes of the event."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    """The receiver will never take this event: recorded, and the next one goes."""
    GONE = "gone"
    """The receiver wants nothing more of this turn."""
    RETRY = "retry"
    HELD = "held"
    """It was not posted: the host's circuit is open, or the host is busy. No failure."""


class Answer(msgspec.Struct, frozen=True):
    """The outcome of one attempt.

    Attributes:
        status: of the answer, 0 when there was none.
        error: why there was none, fit to be shown; holds no part of the URL.
        retry_after_s: no attempt may come earlier than that; 0: nothing was asked.
        blames_host: a failure that others who post to the host would have, too.
    """

    verdict: Verdict
    status: int = 0
    error: str = ""
    retry_after_s: float = 0.0
    blames_host: bool = False


UNKNOWN = Answer(Verdict.RETRY)


def judge(status: int, retry_after: str | None, *, longest_retry_after_s: float) -> Answer:
    """The meaning of an answer that came, whatever became of its body."""
    if 200 <= status < 300:
        return Answer(Verdict.DELIVERED, status)
    if status == _GONE:
        return Answer(Verdict.GONE, status)
    if 400 <= status < 500 and status not in _WORTH_REPEATING:
        return Answer(Verdict.REJECTED, status)
    wait_s = min(_seconds(retry_after or ""), longest_retry_after_s)
    return Answer(Verdict.RETRY, status, f"answered {status}", wait_s, blames_host=status >= 500)


def _seconds(retry_after: str) -> float:
    """Retry-After in either of its forms (RFC 9110, 10.2.3); 0 for nonsense and the past."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0
