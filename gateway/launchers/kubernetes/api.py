"""The API server's verbs, for the kinds of objects that agents consist of."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import msgspec

from gateway.errors import Unavailable
from gateway.launchers.kubernetes.connection import Body, Connection
from gateway.launchers.kubernetes.errors import Status, translate
from gateway.launchers.kubernetes.objects import Event, Kind, Listing, ObjectT
from gateway.podsettings import PodSettings

LIST_S = 30.0
"""Deadline of a list, which may be long."""
_WATCH_S = (300, 600)
"""The API server ends a watch after a time from this range: so watches spread over its
replicas."""
_QUIET_WATCH_S = (45, 75)
"""The same, where nothing else tells that a watch is not broken."""
_MERGE = "application/merge-patch+json"
"""Of a strategic merge, the library's default, lists would only grow."""

_Answer = TypeVar("_Answer")


class _Versioned(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Items(msgspec.Struct, Generic[ObjectT], frozen=True):
    metadata: _Versioned
    items: list[ObjectT] | None = None


class _Bookmark(msgspec.Struct, frozen=True):
    metadata: _Versioned


class _Told(msgspec.Struct, frozen=True):
    """One line of a watch."""

    type: str
    object: msgspec.Raw


class ApiServer:
    """One namespace of a cluster. Event loop only; any number of calls at once.

    Every method raises Unavailable when there is no answer in time, and of `errors` what
    its own docstring names.
    """

    def __init__(self, settings: PodSettings) -> None:
        self._connection = Connection(settings.kube_config)
        self.namespace = settings.namespace

    async def open(self) -> None:
        """Calls nobody yet. Raises StartFailed where there is no way to log in; says why."""
        await self._connection.open()

    async def close(self) -> None:
        """Idempotent. Calls in flight end."""
        await self._connection.close()

    async def list(
        self,
        kind: Kind[ObjectT],
        *,
        selector: str,
        version: str = "",
        deadline_s: float = LIST_S,
    ) -> Listing[ObjectT]:
        """`version`: not older than that, "0": whatever the API server has at hand; "": the latest.

        Raises:
            Expired, Unavailable: also when it has not heard of that version.
        """
        query = _selected(kind, selector)
        if version:
            query.append(("resourceVersion", version))
        content = await self._connection.call(
            "GET", self._path(kind), query=query, deadline_s=deadline_s
        )
        items = _decode(content, _Items[kind.type])  # type: ignore[name-defined]  # made at run time
        found = {item.metadata.name: item for item in items.items or ()}
        return Listing(items.metadata.resource_version, found)

    @asynccontextmanager
    async def watch(
        self, kind: Kind[ObjectT], *, selector: str, version: str
    ) -> AsyncIterator[AsyncIterator[Event[ObjectT]]]:
        """Changes after that version, until the API server ends it; it is opened on entry.

        Raises:
            Expired: changes since then are not known any more; also while it goes on.
            Unavailable: it breaks, or tells nothing for 90 s.
        """
        lasts_s = _WATCH_S if kind.bookmarks else _QUIET_WATCH_S
        query = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            *_selected(kind, selector),
            ("resourceVersion", version),
            ("timeoutSeconds", str(random.randint(*lasts_s))),  # noqa: S311 - spreads load
        ]
        async with self._connection.stream(self._path(kind), query=query) as lines:
            yield _events(lines, kind)

    async def get(self, kind: Kind[ObjectT], name: str) -> ObjectT:
        """Raises NotFound."""
        return _decode(await self._connection.call("GET", self._path(kind, name)), kind.type)

    async def create(self, kind: Kind[ObjectT], body: Body, *, dry_run: bool = False) -> ObjectT:
        """`dry_run`: only check it, down to unknown fields.

        Raises:
            Conflict: the name is taken.
            NotFound: there is no such namespace.
            Refused: invalid, forbidden, over a quota.
        """
        query = [("dryRun", "All"), ("fieldValidation", "Strict")] if dry_run else []
        content = await self._connection.call("POST", self._path(kind), query=query, body=body)
        return _decode(content, kind.type)

    async def patch(self, kind: Kind[ObjectT], name: str, body: Body) -> ObjectT:
        """JSON merge patch: lists are replaced whole, null removes. Returns what it is now.

        With `metadata.resourceVersion` in it, it is applied to that version only, with
        `metadata.uid` to that object only.

        Raises:
            NotFound: it is gone.
            Stale: it has changed since.
            Refused: invalid or forbidden.
        """
        content = await self._connection.call(
            "PATCH", self._path(kind, name), body=body, media=_MERGE
        )
        return _decode(content, kind.type)

    async def delete(
        self, kind: Kind[ObjectT], name: str, *, uid: str = "", grace_s: int | None = None
    ) -> None:
        """`uid`: only that object. `grace_s` None: as its spec says; 0: at once.

        Raises:
            NotFound: it is gone.
            Stale: another one has that name.
        """
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            body["preconditions"] = {"uid": uid}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        await self._connection.call("DELETE", self._path(kind, name), body=body)

    def _path(self, kind: Kind[Any], name: str = "") -> str:
        path = f"/api/v1/namespaces/{self.namespace}/{kind.plural}"
        return f"{path}/{name}" if name else path


def _selected(kind: Kind[Any], labels: str) -> list[tuple[str, str]]:
    fields = [("fieldSelector", kind.fields)] if kind.fields else []
    return [("labelSelector", labels), *fields]


async def _events(
    lines: AsyncIterator[bytes], kind: Kind[ObjectT]
) -> AsyncIterator[Event[ObjectT]]:
    async for line in lines:
        yield _event(_decode(line, _Told), kind)


def _event(told: _Told, kind: Kind[ObjectT]) -> Event[ObjectT]:
    if told.type == "ERROR":
        status = Status.read(bytes(told.object))
        raise translate(status.code, status)
    if told.type == "BOOKMARK":
        return Event(_decode(told.object, _Bookmark).metadata.resource_version, None)
    found = _decode(told.object, kind.type)
    return Event(found.metadata.resource_version, found, removed=told.type == "DELETED")


def _decode(content: bytes | msgspec.Raw, kind: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            f"the Kubernetes API server's answer is not understood: {error}"
        ) from error
