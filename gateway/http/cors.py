"""Cross-origin answers for the origins of CORS_ORIGINS; starlette's, refusals in our form."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from gateway.http import problems

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REQUEST_HEADERS = ("Content-Type", "Authorization", "Idempotency-Key")
MAX_AGE_S = 86400


class Cors(CORSMiddleware):
    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            allow_credentials=True,
            expose_headers=("X-Request-Id", "Idempotent-Replayed", "Retry-After"),
            max_age=MAX_AGE_S,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name not in ("content-type", "content-length")
        }
        if answer.status_code == 200:
            return Response(status_code=204, headers=kept)
        message = "this origin, method or header is not allowed; CORS_ORIGINS lists the origins"
        return problems.Problem(400, message, kept).response()
