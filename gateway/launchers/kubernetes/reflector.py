"""A cache of all objects of one kind, kept true by list and watch."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeAlias

from gateway.errors import GatewayError, NotFound, StartFailed, Unavailable
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.errors import Refused
from gateway.launchers.kubernetes.objects import Event, Kind, Listing, ObjectT

_LOG = logging.getLogger(__name__)

_AT_HAND = "0"
"""The first list needs no more than what the API server has in memory."""
_LATEST = ""
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 3.0

Listener: TypeAlias = Callable[[ObjectT | None, ObjectT | None], None]
"""Told what an object was and what it is; None: it was not there, or is not any more."""


class Reflector(Generic[ObjectT]):
    """Owner of the copies; its one task alone talks to the API server, others only read.

    A watch goes on where the list or the last watch ended. Whatever breaks one, everything
    is listed again, not older than what is known, and compared: listeners are told what
    they would have been told.
    """

    def __init__(self, api: ApiServer, kind: Kind[ObjectT], *, selector: str) -> None:
        self._api = api
        self._kind = kind
        self._selector = selector
        self._objects: dict[str, ObjectT] = {}
        self._version = _AT_HAND
        self._listeners: list[Listener[ObjectT]] = []
        self._moved = False
        self._task: asyncio.Task[None] | None = None

    def get(self, name: str) -> ObjectT | None:
        return self._objects.get(name)

    def all(self) -> Collection[ObjectT]:
        """Not to be kept: it changes."""
        return self._objects.values()

    def listen(self, listener: Listener[ObjectT]) -> None:
        """From now on. It must return at once, and not raise."""
        self._listeners.append(listener)

    def saw(self, found: ObjectT) -> None:
        """What another call was answered, so that one's own changes are seen at once.

        Where the watch has come further already, it is no news.
        """
        if self._is_news(found):
            self._put(found)

    async def start(self, *, within_s: float) -> None:
        """Returns when everything is known and a watch could be opened.

        Raises:
            StartFailed: not within that time, or refused; says why.
        """
        trouble = "no answer"
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        await self._list(_AT_HAND)
                        async with self._watch():
                            break
                    except (Refused, NotFound):
                        raise
                    except GatewayError as error:
                        trouble = str(error)
                        await asyncio.sleep(_FIRST_PAUSE_S)
        except (Refused, NotFound) as error:
            raise StartFailed(self._sentence(str(error))) from error
        except TimeoutError as error:
            raise StartFailed(self._sentence(trouble)) from error
        self._task = asyncio.create_task(self._run(), name=f"reflect-{self._kind.plural}")
        self._task.add_done_callback(_tell_death)

    async def close(self) -> None:
        """Idempotent. What is known stays, and grows old."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _sentence(self, why: str) -> str:
        return f"{self._kind.plural} in namespace {self._api.namespace} cannot be watched: {why}"

    async def _run(self) -> None:
        """For life: watch; when that breaks, list and watch again."""
        broken = 0
        while True:
            self._moved = False
            try:
                if broken:
                    # Every second time the latest: the version may be one that the API
                    # server has forgotten, or, restored from a backup, never had.
                    await self._list(self._version if broken % 2 else _LATEST)
                await self._follow()
            except GatewayError as error:
                broken = 1 if self._moved else broken + 1
                self._tell(error, broken)
            except Exception:  # noqa: BLE001 - a fault of ours must not leave the cache stale
                broken += 1
                _LOG.exception("watch_broken", extra={"kind": self._kind.plural})
            await asyncio.sleep(_pause_s(broken))

    async def _list(self, version: str) -> None:
        self._replace(await self._api.list(self._kind, selector=self._selector, version=version))

    def _watch(self) -> AbstractAsyncContextManager[AsyncIterator[Event[ObjectT]]]:
        return self._api.watch(self._kind, selector=self._selector, version=self._version)

    async def _follow(self) -> None:
        """One watch after the other, until one breaks. Raises GatewayError."""
        while True:
            told = False
            async with self._watch() as events:
                async for event in events:
                    told = self._moved = True
                    self._take(event)
            if told:
                continue
            if self._kind.bookmarks:
                raise Unavailable("a watch ended without a word, not even a bookmark")
            await self._list(self._version)  # else that would be too old to watch from, some time

    def _take(self, event: Event[ObjectT]) -> None:
        self._version = event.version
        if event.object is None:
            return
        if event.removed:
            self._remove(event.object)
        else:
            self._put(event.object)

    def _replace(self, listing: Listing[ObjectT]) -> None:
        """Take over a list; what was seen after it is kept."""
        came_back = int(listing.version) < int(self._version)
        self._version = listing.version
        for name, known in list(self._objects.items()):
            if name not in listing.objects and (came_back or not self._is_news(known)):
                self._remove(known)
        for found in listing.objects.values():
            self._put(found, even_older=came_back)

    def _is_news(self, found: ObjectT) -> bool:
        return found.number > int(self._version)

    def _put(self, found: ObjectT, *, even_older: bool = False) -> None:
        name = found.metadata.name
        before = self._objects.get(name)
        if before is not None and before.metadata.uid != found.metadata.uid:
            if found.number < before.number and not even_older:
                return
            self._remove(before)
            before = None
        if before is not None and before.metadata == found.metadata:
            return
        if before is not None and found.number <= before.number and not even_older:
            return
        self._objects[name] = found
        self._announce(before, found)

    def _remove(self, gone: ObjectT) -> None:
        known = self._objects.get(gone.metadata.name)
        if known is not None and known.metadata.uid == gone.metadata.uid:
            del self._objects[gone.metadata.name]
            self._announce(known, None)

    def _announce(self, before: ObjectT | None, now: ObjectT | None) -> None:
        for listener in self._listeners:
            listener(before, now)

    def _tell(self, error: GatewayError, broken: int) -> None:
        """A watch that breaks once is nothing; a cluster that stays away is."""
        level = logging.WARNING if broken > 1 else logging.INFO
        _LOG.log(level, "watch_broken", extra={"kind": self._kind.plural, "reason": str(error)})


def _pause_s(broken: int) -> float:
    """A random one, longer the more often it broke in a row."""
    longest_s = min(_FIRST_PAUSE_S * 2 ** min(broken, 16), _LONGEST_PAUSE_S)
    return random.uniform(longest_s / 4, longest_s)  # noqa: S311 - spreads load


def _tell_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _LOG.error("task_died", extra={"task": task.get_name()}, exc_info=error)
