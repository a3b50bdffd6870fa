"""All resources as one ASGI application."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import Protocol

from starlette.requests import Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.http.agents import AgentsResource, Life
from gateway.http.bodies import Bodies
from gateway.http.browser import PageGuard, is_loopback
from gateway.http.callers import Doorman, Keys
from gateway.http.commands import Commands
from gateway.http.cors import Cors
from gateway.http.diff import DiffResource, Diffs
from gateway.http.docs import DocsResource
from gateway.http.endpoint import Endpoint, Rules
from gateway.http.events import EventsResource, Replays
from gateway.http.eventstream import Streams
from gateway.http.exchange import Exchange
from gateway.http.failures import Failures
from gateway.http.health import HealthResource
from gateway.http.history import Conversations, HistoryResource
from gateway.http.messages import MessagesResource
from gateway.http.metrics import Metrics, MetricsResource
from gateway.http.openapi import OpenApiResource, describe
from gateway.http.operations import Operation
from gateway.http.prompts import Prompts, PromptsResource
from gateway.http.sessions import SessionsResource
from gateway.http.tokens import Tokens, TokensResource
from gateway.http.turns import Turns, TurnsResource
from gateway.launchers.protocol import Launcher
from gateway.settings import Settings

BODIES_AT_ONCE = 16
"""The largest bodies that are held at the same time; of smaller ones more."""


class Lifecycle(Life, Tokens, Prompts, Protocol):
    """What agents are asked beyond their launcher."""


class ReadBack(Replays, Turns, Protocol):
    """What is asked about the past of agents."""


class _Resource(Protocol):
    def operations(self) -> Sequence[Operation]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What the resources work with. `ready`: whether new requests are wanted."""

    launcher: Launcher
    commands: Commands
    lifecycle: Lifecycle
    readback: ReadBack
    history: Conversations
    diffs: Diffs
    streams: Streams
    keys: Keys | None
    ready: Callable[[], bool]


def build(settings: Settings, rooms: Rooms) -> ASGIApp:
    """The application; it has no state but its numbers."""
    metrics, openapi, docs = Metrics(), OpenApiResource(), DocsResource()
    operations = _operations(
        HealthResource(rooms.ready),
        AgentsResource(
            rooms.launcher,
            rooms.lifecycle,
            rooms.commands,
            default_backend=settings.backend,
            create_timeout_s=settings.create_timeout,
        ),
        MessagesResource(rooms.launcher, rooms.commands),
        EventsResource(rooms.launcher, rooms.readback, rooms.streams),
        TurnsResource(rooms.launcher, rooms.readback),
        HistoryResource(rooms.launcher, rooms.history),
        DiffResource(rooms.launcher, rooms.diffs),
        SessionsResource(rooms.launcher, rooms.commands),
        PromptsResource(rooms.launcher, rooms.lifecycle, rooms.commands),
        TokensResource(rooms.launcher, rooms.lifecycle),
        MetricsResource(metrics),
        openapi,
        docs,
    )
    document = describe(operations, version=version("forge-gateway"), keyed=rooms.keys is not None)
    openapi.publish(document)
    docs.publish(document)
    app: ASGIApp = Router(_routes(operations, settings, rooms), redirect_slashes=False)
    if rooms.keys is None:
        app = _Guarded(app, PageGuard(settings.origins, loopback=is_loopback(settings.host)))
    app = Failures(app)
    if settings.origins:
        app = Cors(app, settings.origins)
    return Exchange(app, metrics, rooms.ready)


def _operations(*resources: _Resource) -> list[Operation]:
    return [operation for resource in resources for operation in resource.operations()]


def _routes(operations: Sequence[Operation], settings: Settings, rooms: Rooms) -> list[Route]:
    rules = Rules(
        doorman=Doorman(rooms.keys),
        bodies=Bodies(
            limit_bytes=settings.max_body_bytes,
            total_bytes=settings.max_body_bytes * BODIES_AT_ONCE,
        ),
    )
    by_path = sorted(operations, key=lambda operation: operation.path)
    return [
        Route(path, Endpoint(list(group), rules))
        for path, group in groupby(by_path, key=lambda operation: operation.path)
    ]


class _Guarded:
    """Only what the PageGuard lets through reaches the application."""

    def __init__(self, app: ASGIApp, guard: PageGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._guard.check(Request(scope))
        await self._app(scope, receive, send)
