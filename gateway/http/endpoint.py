"""One path: who calls, what they ask, and the operation that answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.http import bodies, forms
from gateway.http.callers import ANYBODY, Caller, Doorman
from gateway.http.operations import Access, Call, Operation, Trace
from gateway.http.problems import Problem

TRACE = "forge.trace"
"""Where the ASGI scope holds the request's Trace."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all endpoints share."""

    doorman: Doorman
    bodies: bodies.Bodies


class Endpoint:
    """The ASGI application of one path."""

    def __init__(self, operations: Sequence[Operation], rules: Rules) -> None:
        self._rules = rules
        self._operations = {operation.method: operation for operation in operations}
        if "GET" in self._operations:
            self._operations["HEAD"] = self._operations["GET"]
        self._allow = {"Allow": ", ".join(sorted({*self._operations, "OPTIONS"}))}
        self.path = operations[0].path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        trace: Trace = scope[TRACE]
        trace.route = self.path
        response = await self._answer(request, trace)
        await response(scope, receive, send)

    async def _answer(self, request: Request, trace: Trace) -> Response:
        operation = self._operations.get(request.method)
        if operation is None:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=self._allow)
            allowed = self._allow["Allow"]
            raise Problem(405, f"this path takes {allowed}, not {request.method}", self._allow)
        caller = self._admit(operation, request)
        trace.key = caller.name
        self._check_media_type(operation, request)
        query = decode_query(request.query_params, operation.query)
        if operation.body is None:
            return await operation.handler(_call(request, caller, query, None, trace))
        async with self._rules.bodies.reading(request) as content:
            body = await self._rules.bodies.decode(content, operation.body)
            del content
            return await operation.handler(_call(request, caller, query, body, trace))

    def _admit(self, operation: Operation, request: Request) -> Caller:
        match operation.access:
            case Access.OPEN:
                return ANYBODY
            case Access.OWNER:
                return self._rules.doorman.admit(request.headers)
            case Access.ALL_OWNERS:
                return self._rules.doorman.admit_to_all(request.headers)

    def _check_media_type(self, operation: Operation, request: Request) -> None:
        """Without keys even an empty POST must say JSON: no form of another site can."""
        if operation.method in _WITH_BODY and (
            not self._rules.doorman.wants_keys or bodies.announced(request)
        ):
            bodies.require_json(request)


def decode_query(params: QueryParams, model: type[msgspec.Struct]) -> Any:
    """The model a query stands for; other parameters are ignored. Raises Problem 400."""
    given = {}
    for name in model.__struct_fields__:
        values = params.getlist(name)
        if len(values) > 1:
            raise Problem(400, f"{name} is given twice in the query")
        if values:
            given[name] = values[0]
    try:
        return msgspec.convert(given, model, dec_hook=forms.decode)
    except msgspec.ValidationError as error:
        raise Problem(400, bodies.explain(error)) from error


def _call(request: Request, caller: Caller, query: Any, body: Any, trace: Trace) -> Call[Any, Any]:
    return Call(
        caller=caller,
        path=request.path_params,
        query=query,
        body=body,
        headers=request.headers,
        trace=trace,
    )
