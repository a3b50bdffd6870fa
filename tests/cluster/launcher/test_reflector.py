"""The cache is true whatever happens to its watch. A real API server, and a line to be cut."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import StartFailed
from gateway.launchers.kubernetes import connection, names
from gateway.launchers.kubernetes.api import ApiServer
from gateway.launchers.kubernetes.errors import Expired
from gateway.launchers.kubernetes.objects import SECRETS, WARNINGS, Secret
from gateway.launchers.kubernetes.reflector import Reflector
from gateway.settings import Settings
from tests.cluster.launcher.line import Line, line_to_the_api_server
from tests.cluster.launcher.place import KubernetesPlace
from tests.cluster.node.node import Node


class Watched:
    """A cache behind a line, and a way to the API server beside it."""

    def __init__(self, line: Line, near: ApiServer, api: ApiServer) -> None:
        self.line = line
        self.api = api
        self.near = near
        self.cache = Reflector(near, SECRETS, selector=names.SELECTOR)
        self.told: list[str] = []
        self.cache.listen(self._listen)

    def _listen(self, before: Secret | None, now: Secret | None) -> None:
        sign = "+" if before is None else "-" if now is None else "*"
        self.told.append(f"{sign}{(now or before).metadata.name}")  # type: ignore[union-attr]

    async def make(self, name: str) -> Secret:
        metadata = {"name": name, "labels": names.COMMON}
        return await self.api.create(SECRETS, {"metadata": metadata})

    async def annotate(self, name: str, value: str) -> Secret:
        return await self.api.patch(SECRETS, name, {"metadata": {"annotations": {"a": value}}})

    def names(self) -> set[str]:
        return {found.metadata.name for found in self.cache.all()}

    def annotation(self, name: str) -> str | None:
        found = self.cache.get(name)
        return found.metadata.annotations.get("a") if found else None


@asynccontextmanager
async def watched(place: KubernetesPlace, folder: Path) -> AsyncIterator[Watched]:
    async with line_to_the_api_server(folder) as (line, kubeconfig):
        place.configure(KUBE_CONFIG_PATH=str(kubeconfig))
        near = ApiServer(place.settings())
        place.configure()
        api = ApiServer(place.settings())
        watched = Watched(line, near, api)
        try:
            await near.open()
            await api.open()
            await watched.cache.start(within_s=10)
            yield watched
        finally:
            await watched.cache.close()
            await near.close()
            await api.close()
            await asyncio.to_thread(place.kubectl, "delete", "secrets", "--all")


async def until(condition: Callable[[], bool], *, within_s: float = 15.0) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def first_event(api: ApiServer, *, version: str) -> None:
    async with api.watch(SECRETS, selector="", version=version) as events:
        await anext(events)


async def test_changes_are_told_as_they_come(place: KubernetesPlace, tmp_path: Path) -> None:
    """What is made, changed and removed is known within moments, and told once each."""
    async with watched(place, tmp_path) as seen:
        await seen.make("a")
        await until(lambda: seen.names() == {"a"})
        await seen.annotate("a", "1")
        await until(lambda: seen.annotation("a") == "1")
        await seen.api.delete(SECRETS, "a")
        await until(lambda: seen.names() == set())
        assert seen.told == ["+a", "*a", "-a"]


async def test_what_is_not_selected_is_not_kept(place: KubernetesPlace, tmp_path: Path) -> None:
    """Other objects of the namespace are nobody's agents; one that loses its labels is gone."""
    async with watched(place, tmp_path) as seen:
        await seen.api.create(SECRETS, {"metadata": {"name": "other"}})
        await seen.make("a")
        await until(lambda: seen.names() == {"a"})
        labels = dict.fromkeys(names.COMMON)
        await seen.api.patch(SECRETS, "a", {"metadata": {"labels": labels}})
        await until(lambda: seen.names() == set())


async def test_own_changes_are_seen_at_once(place: KubernetesPlace, tmp_path: Path) -> None:
    """Also while the watch is cut; and an answer that is older than the watch is no news."""
    async with watched(place, tmp_path) as seen:
        first = await seen.make("a")
        changed = await seen.annotate("a", "2")
        await until(lambda: seen.annotation("a") == "2")
        seen.cache.saw(first)
        assert seen.annotation("a") == "2"
        await seen.api.delete(SECRETS, "a")
        await until(lambda: seen.names() == set())
        seen.cache.saw(changed)
        assert seen.names() == set()
        seen.line.cut()
        seen.cache.saw(await seen.make("b"))
        assert seen.names() == {"b"}
        seen.line.heal()
        await seen.make("c")
        await until(lambda: seen.names() == {"b", "c"})


async def test_changes_behind_a_cut_line_are_told_later(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    """All of it by comparison: what was removed, what was made, what was replaced by another
    of the same name, what changed; and the rest is not told again."""
    async with watched(place, tmp_path) as seen:
        for name in ("gone", "same", "other", "changed"):
            await seen.make(name)
        await until(lambda: len(seen.names()) == 4)
        seen.line.cut()
        seen.told.clear()
        await seen.api.delete(SECRETS, "gone")
        await seen.api.delete(SECRETS, "other")
        await seen.make("other")
        await seen.make("new")
        await seen.annotate("changed", "1")
        seen.line.heal()
        await until(lambda: "new" in seen.names())
        assert sorted(seen.told) == ["*changed", "+new", "+other", "-gone", "-other"]
        assert seen.names() == {"same", "other", "changed", "new"}
        await seen.make("later")
        await until(lambda: "later" in seen.names())


async def test_a_silent_line_is_given_up(
    place: KubernetesPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that is stopped breaks nothing: only our own time-out finds out."""
    monkeypatch.setattr(connection, "SILENCE_S", 0.5)
    caplog.set_level(logging.INFO)
    async with watched(place, tmp_path) as seen:
        await seen.make("a")
        await until(lambda: seen.names() == {"a"})
        caplog.clear()
        seen.line.hold()
        await seen.make("b")
        await until(lambda: "watch_broken" in caplog.messages)
        seen.line.heal()
        await until(lambda: seen.names() == {"a", "b"})


async def test_events_are_silent_when_nothing_happens(
    place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The API server makes no bookmarks of them: a watch without a word is none that broke, and
    the next one misses nothing."""
    monkeypatch.setattr("gateway.launchers.kubernetes.api._QUIET_WATCH_S", (1, 1))
    caplog.set_level(logging.INFO)
    api = ApiServer(place.settings())
    await api.open()
    seen = Reflector(api, WARNINGS, selector="")
    try:
        await seen.start(within_s=10)
        before = seen._version
        await asyncio.to_thread(place.kubectl, "create", "configmap", "else")
        await until(lambda: seen._version != before)
        about = {"kind": "Pod", "name": "torn", "namespace": place.namespace}
        named = {"metadata": {"name": "torn"}, "involvedObject": about, "reason": "FailedMount"}
        await api.create(WARNINGS, {**named, "type": "Warning"})
        await until(lambda: seen.get("torn") is not None)
        assert "watch_broken" not in caplog.messages
    finally:
        await seen.close()
        await api.close()
        await asyncio.to_thread(place.kubectl, "delete", "configmap/else")


async def test_a_dead_line_is_not_hammered(place: KubernetesPlace, tmp_path: Path) -> None:
    """Pauses grow: a cluster that stays away is asked a few times, not thousands."""
    async with watched(place, tmp_path) as seen:
        before = seen.line.connections
        seen.line.cut()
        await asyncio.sleep(3)
        assert 2 <= seen.line.connections - before <= 30


@pytest.mark.alone
async def test_versions_that_are_forgotten_are_expired(
    mortal_apiserver: Node,
    place: KubernetesPlace,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A restarted API server does not know old versions, and says so: then everything is listed
    again. What it was told to know meanwhile, is known."""
    async with watched(place, tmp_path) as seen:
        await seen.make("a")
        await until(lambda: seen.names() == {"a"})
        await asyncio.to_thread(mortal_apiserver.kill_apiserver)
        await asyncio.to_thread(mortal_apiserver.start_apiserver)
        with pytest.raises(Expired):
            await first_event(seen.api, version="1")
        await seen.make("b")
        await until(lambda: seen.names() == {"a", "b"})
        await seen.cache.close()  # and goes on, with a watch that begins too early
        await seen.api.delete(SECRETS, "a")
        await seen.make("c")
        caplog.set_level(logging.INFO)
        caplog.clear()
        seen.cache._version = "1"
        seen.cache._task = asyncio.create_task(seen.cache._run(), name="reflect-again")
        await until(lambda: seen.names() == {"b", "c"})
        broken = [record for record in caplog.records if record.message == "watch_broken"]
        assert "too old resource version" in getattr(broken[0], "reason", "")


async def test_start_says_what_is_wrong(place: KubernetesPlace) -> None:
    """Nobody there: with the address, within its bound."""
    config = Path(os.environ["FORGE_TEST_KUBECONFIG"])
    settings = Settings.from_env({"KUBE_CONFIG_PATH": str(config), "AGENT_NAMESPACE": "default"})
    api = ApiServer(settings)
    await api.open()
    cache = Reflector(api, SECRETS, selector="no,such=,,selector")
    with pytest.raises(StartFailed, match="secrets in namespace default cannot be watched"):
        await cache.start(within_s=2)
    await api.close()
