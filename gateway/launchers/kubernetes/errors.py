"""What the API server can answer besides what was asked for.

    gateway.errors
    +-- NotFound                 no such object, or no such namespace
    +-- Conflict                 an object of that name exists
    |   +-- Stale                it is not any more what the change was decided on
    +-- Unavailable              no answer in time, or "not now"
        +-- Refused              "no": forbidden, invalid, over a quota, ...
        +-- Expired              the API server does not remember that version

`api` raises them, with the foreign exception chained where there was one.
"""

from collections.abc import Sequence

import msgspec

from gateway.errors import Conflict, GatewayError, NotFound, Unavailable

_RETRY_AFTER_S = 3


class Stale(Conflict):
    """Read the object again and decide again."""


class Refused(Unavailable):
    """Repeating the same helps only where somebody changes the cluster.

    Attributes:
        status: HTTP's.
        causes: Kubernetes' words for what exactly is wrong.
    """

    def __init__(self, message: str, *, status: int, causes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.causes = tuple(causes)


class Expired(Unavailable):
    """List again."""


class _Cause(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""
    field: str = ""


class _Details(msgspec.Struct, frozen=True, rename="camel"):
    causes: tuple[_Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(msgspec.Struct, frozen=True):
    """Kubernetes' own form of an error (`kind: Status`)."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details = _Details()

    @classmethod
    def read(cls, content: bytes) -> "Status":
        """Of an answer's body; an empty one where that is something else."""
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.MsgspecError:
            return cls()


def translate(status: int, told: Status) -> GatewayError:
    """What an answer other than 2xx means."""
    message = told.message or f"the Kubernetes API server answers {status}"
    match status:
        case 404:
            return NotFound(message)
        case 409 if told.reason == "AlreadyExists":
            return Conflict(message)
        case 409:
            return Stale(message)
        case 410:
            return Expired(message)
        case 429 | 500 | 502 | 503 | 504:
            retry_after_s = told.details.retry_after_seconds or _RETRY_AFTER_S
            return Unavailable(message, retry_after_s=retry_after_s)
    return Refused(message, status=status, causes=[cause.reason for cause in told.details.causes])
