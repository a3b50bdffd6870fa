"""Whether the gateway lives, and whether it wants requests."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from starlette.responses import Response

from gateway.http.operations import Access, Answer, Call, NoQuery, Operation, json_response
from gateway.http.problems import Problem


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Everything is started, and it is not going."""

    status: Literal["ready"] = "ready"


class HealthResource:
    """Args: `ready` tells whether new requests are wanted."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path="/healthz",
                name="health",
                summary="Whether the process answers",
                handler=self._health,
                access=Access.OPEN,
                answers={200: Answer(what="It does", model=Health, example=Health())},
            ),
            Operation(
                method="GET",
                path="/readyz",
                name="readiness",
                summary="Whether it wants requests",
                handler=self._readiness,
                access=Access.OPEN,
                answers={200: Answer(what="It does", model=Readiness, example=Readiness())},
            ),
        ]

    async def _health(self, _: Call[NoQuery, None]) -> Response:
        return json_response(Health())

    async def _readiness(self, _: Call[NoQuery, None]) -> Response:
        if not self._ready():
            raise Problem(503, "the gateway is starting or going", {"Retry-After": "1"})
        return json_response(Readiness())
