"""/openapi.json: OpenAPI 3.1, made from the operations and their models."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from gateway.http import forms
from gateway.http.operations import Access, Answer, Call, NoQuery, Operation
from gateway.http.problems import CODES, JSON, Error

Document = dict[str, Any]

_REF = "#/components/schemas/{name}"
_ALWAYS = (400, 421, 431, 500, 503)
_MEANINGS: Mapping[int, str] = {
    400: "Something in the request can never work; the message names it",
    401: "No API key, or one that is not known",
    403: "The API key may not act for that owner, or the page of that Origin may not call",
    404: "There is no such agent or turn, or it is somebody else's",
    409: "The request_id has been used for other content; or it has been answered",
    410: "Events that were asked for are not kept any more; or an answer comes too late",
    413: "The body is too large",
    415: "The body is not `application/json`",
    421: "The Host is not one this gateway answers to",
    422: "The backend of the agent cannot do it; the message names the capability",
    429: "The agent takes no more for now; repeat after Retry-After",
    431: "The request line and headers are too large",
    500: "A fault of the gateway",
    503: "Not possible now; repeating the same request after Retry-After is safe",
}
_ERROR_HEADERS: Mapping[int, Document] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "`Bearer`"}},
    429: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
    503: {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}},
}
_PATH_PARAMETERS: Mapping[str, Document] = {
    "agent_id": {"type": "string", "pattern": "^[A-Za-z0-9._-]+$", "maxLength": 128},
    "request_id": forms.RequestId.schema(),
    "prompt_id": forms.PromptId.schema(),
}
_REQUEST_ID_HEADER = {
    "X-Request-Id": {
        "schema": {"type": "string"},
        "description": "Names this exchange in the gateway's log; the caller's own is kept",
    }
}


class OpenApiResource:
    """Shows the document it is given."""

    def __init__(self) -> None:
        self._content = b""

    def publish(self, document: Document) -> None:
        self._content = msgspec.json.encode(document)

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path="/openapi.json",
                name="openapi",
                summary="This description",
                handler=self._show,
                access=Access.OPEN,
                answers={200: Answer(what="OpenAPI 3.1")},
            )
        ]

    async def _show(self, _: Call[NoQuery, None]) -> Response:
        return Response(self._content, media_type=JSON)


def describe(operations: Sequence[Operation], *, version: str, keyed: bool) -> Document:
    """The document. `keyed`: API keys are wanted, and a key may stand for its owner."""
    paths: Document = {}
    for operation in operations:
        described = _operation(operation, keyed=keyed)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forge gateway",
            "version": version,
            "description": "A message to an agent is answered with 202; everything the agent "
            "does comes to the webhook, signed and in order, up to one final event. It can also "
            "be read back, and followed, as events.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "responses": {CODES[status]: _problem(status) for status in _MEANINGS},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
        },
    }


def _schemas(operations: Sequence[Operation]) -> Document:
    models: list[type] = [Error]
    for operation in operations:
        models += [operation.body] if operation.takes_body and operation.body else []
        models += [answer.model for answer in operation.answers.values() if answer.model]
    _, schemas = msgspec.json.schema_components(
        dict.fromkeys(models), schema_hook=forms.schema, ref_template=_REF
    )
    return schemas


def _operation(operation: Operation, *, keyed: bool) -> Document:
    described: Document = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": list(_parameters(operation, keyed=keyed)),
        "responses": {
            **{str(status): _answer(a) for status, a in operation.answers.items()},
            **{
                str(status): {"$ref": f"#/components/responses/{CODES[status]}"}
                for status in sorted(_errors(operation, keyed=keyed))
            },
        },
    }
    if operation.body is not None:
        described["requestBody"] = _body(operation, keyed=keyed)
    if keyed:
        described["security"] = [] if operation.access is Access.OPEN else [{"apiKey": []}]
    return described


def _errors(operation: Operation, *, keyed: bool) -> set[int]:
    errors = {*_ALWAYS, *operation.errors}
    if operation.method != "GET":
        errors.add(403)
    if keyed and operation.access is not Access.OPEN:
        errors |= {401, 403}
    if operation.body is not None:
        errors |= {413, 415}
    return errors


def _parameters(operation: Operation, *, keyed: bool) -> Iterator[Document]:
    for name, schema in _PATH_PARAMETERS.items():
        if f"{{{name}}}" in operation.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema}
    (_,), components = msgspec.json.schema_components(
        [operation.query], schema_hook=forms.schema, ref_template=_REF
    )
    for name, schema in components[operation.query.__name__]["properties"].items():
        # Without keys nothing else tells the owner of the agent in the path.
        needed = name == "user_id" and not keyed and "{agent_id}" in operation.path
        yield {"name": name, "in": "query", "required": needed, "schema": schema}
    for header in operation.reads:
        yield {
            "name": header.name,
            "in": "header",
            "description": header.what,
            "schema": header.form.schema(),
        }


def _body(operation: Operation, *, keyed: bool) -> Document:
    schema: Document = {"type": "object"}
    if operation.takes_body and operation.body is not None:
        schema = {"$ref": _REF.format(name=operation.body.__name__)}
    content = {"schema": schema, "example": operation.body_example}
    return {"required": operation.takes_body or not keyed, "content": {JSON: content}}


def _answer(answer: Answer) -> Document:
    headers = {**_REQUEST_ID_HEADER, **answer.headers}
    described: Document = {"description": answer.what, "headers": headers}
    if answer.model is not None:
        content = {
            "schema": {"$ref": _REF.format(name=answer.model.__name__)},
            "example": msgspec.json.decode(msgspec.json.encode(answer.example)),
        }
        described["content"] = {answer.media: content}
    elif answer.media:
        described["content"] = {answer.media: {}}
    for media, example in answer.others.items():
        described["content"][media] = {"schema": {"type": "string"}, "example": example}
    return described


def _problem(status: int) -> Document:
    return {
        "description": _MEANINGS[status],
        "headers": {**_REQUEST_ID_HEADER, **_ERROR_HEADERS.get(status, {})},
        "content": {
            JSON: {
                "schema": {"$ref": _REF.format(name="Error")},
                "example": {"error": CODES[status], "message": _MEANINGS[status]},
            }
        },
    }
