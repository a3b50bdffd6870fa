"""What a resource is made of: one operation a method and path, as data.

The same object routes a request (`endpoint`) and describes it (`openapi`).
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.http.bodies import Nothing
from gateway.http.callers import Caller
from gateway.http.forms import Form, plain
from gateway.http.problems import JSON, Problem


class Access(Enum):
    """Which key an operation wants."""

    OPEN = "none"
    OWNER = "any"
    ALL_OWNERS = "one for all owners"


class NoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """No query parameter means anything."""


Query = TypeVar("Query")
Content = TypeVar("Content")


@dataclass(slots=True)
class Trace:
    """What the log line and the metrics of one request say. Written by its own task only."""

    request: str
    route: str = ""
    key: str = ""
    agent: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Query, Content]):
    """One request, decoded and allowed. `path`: the parameters of the path."""

    caller: Caller
    path: Mapping[str, str]
    query: Query
    body: Content
    headers: Headers
    trace: Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header that an operation looks at. `what`: what it means."""

    name: str
    form: type[Form]
    what: str

    def value(self, headers: Headers) -> str:
        """As it was given, "" when it was not. Raises Problem 400 for another form."""
        given = headers.getlist(self.name)
        try:
            return plain(self.form.of(", ".join(given))) if given else ""
        except ValueError as error:
            raise Problem(400, f"{self.name}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A way an operation succeeds.

    Attributes:
        model: None: no body, or one of `media`.
        others: examples of other forms of the same answer, by media type.
        headers: what is said of headers that only this answer has.
    """

    what: str
    model: type | None = None
    media: str = JSON
    example: Any = None
    others: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)


Handler = Callable[[Call[Any, Any]], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path.

    Attributes:
        path: with `{name}` for each parameter.
        name: the operationId, unique.
        body: None where a body means nothing.
        reads: the headers that are looked at.
        errors: statuses besides those that `access`, `query` and `body` bring along.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Handler
    answers: Mapping[int, Answer]
    access: Access = Access.OWNER
    query: type[msgspec.Struct] = NoQuery
    body: type[msgspec.Struct] | None = None
    body_example: Any = None
    reads: tuple[Header, ...] = ()
    errors: tuple[int, ...] = field(default=())

    @property
    def takes_body(self) -> bool:
        return self.body is not None and self.body is not Nothing


def json_response(
    model: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(msgspec.json.encode(model), status, media_type=JSON, headers=headers)
