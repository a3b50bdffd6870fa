"""The one form of errors: `{"error": CODE, "message": TEXT}`, whoever made them.

Everything that goes wrong on the way to an answer is a `Problem` or becomes one
here; nothing else knows which status belongs to which error.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.errors import (
    BadRequest,
    Conflict,
    Exhausted,
    Gone,
    KeyringError,
    NotFound,
    Unavailable,
    Unsupported,
)

CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    410: "gone",
    413: "payload_too_large",
    415: "unsupported_media_type",
    421: "misdirected_request",
    422: "unsupported",
    429: "too_many_requests",
    431: "request_header_fields_too_large",
    500: "internal_server_error",
    503: "service_unavailable",
}
_STATUS: Mapping[type[Exception], int] = {
    BadRequest: 400,
    NotFound: 404,
    Conflict: 409,
    Gone: 410,
    Unsupported: 422,
    KeyringError: 503,
}
JSON = "application/json"


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    error: Annotated[str, Meta(description="The code that stands for the status")]
    message: Annotated[str, Meta(description="One sentence: what is wrong and what would be right")]


class Problem(Exception):
    """An answer that ends the request early. `message` is shown to the caller."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})

    def response(self) -> Response:
        return Response(
            body(self.status, str(self)), self.status, media_type=JSON, headers=self.headers
        )


INTERNAL = "something went wrong here; the log of the gateway says what, under this X-Request-Id"


def body(status: int, message: str) -> bytes:
    """The bytes of an error answer."""
    return msgspec.json.encode(Error(error=CODES.get(status, CODES[500]), message=message))


def of(error: Exception) -> Problem:
    """The answer to an error; 500 without details for what nobody expected."""
    match error:
        case Problem():
            return error
        case BadRequest() | NotFound() | Gone() | Conflict() | Unsupported() | KeyringError():
            return Problem(_status(error), str(error))
        case Exhausted() | Unavailable():
            status = 429 if isinstance(error, Exhausted) else 503
            return Problem(status, str(error), {"Retry-After": str(error.retry_after_s)})
        case HTTPException(status_code=404):
            return Problem(404, "there is nothing at this path; /docs lists what there is")
        case HTTPException() if error.status_code in CODES:
            return Problem(error.status_code, _phrase(error.status_code), error.headers)
        case _:
            return Problem(500, INTERNAL)


def _status(error: Exception) -> int:
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase.lower()
