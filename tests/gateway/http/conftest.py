"""A real HTTP server on a free port, in front of scripted rooms."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from gateway.http.apikeys import ApiKeys, new_key
from gateway.http.application import Rooms, build
from gateway.http.eventstream import Streams
from gateway.http.server import HttpServer
from gateway.settings import Settings
from tests.gateway.http.rooms import (
    ScriptedCommands,
    ScriptedDiffs,
    ScriptedHistory,
    ScriptedLauncher,
    ScriptedLifecycle,
    ScriptedReadBack,
)

WEBHOOK = {"webhook_url": "http://127.0.0.1:9/hook"}


@dataclass
class Door:
    """A served application, a client to call it with, and the rooms behind."""

    server: HttpServer
    http: httpx.AsyncClient
    launcher: ScriptedLauncher
    commands: ScriptedCommands
    lifecycle: ScriptedLifecycle
    readback: ScriptedReadBack
    history: ScriptedHistory
    diffs: ScriptedDiffs
    streams: Streams
    ready: bool = True
    settings: Settings = field(default_factory=Settings)

    @property
    def port(self) -> int:
        return httpx.URL(self.server.url).port or 0


Opener = Callable[..., AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def open_door(
    settings: Settings | None = None,
    *,
    keys: ApiKeys | None = None,
    streams: Streams | None = None,
) -> AsyncIterator[Door]:
    settings = settings or Settings()
    launcher, commands = ScriptedLauncher(), ScriptedCommands()
    lifecycle, readback = ScriptedLifecycle(launcher), ScriptedReadBack()
    history, streams = ScriptedHistory(), streams or Streams()
    diffs = ScriptedDiffs()
    doors: list[Door] = []
    rooms = Rooms(
        launcher=launcher,
        commands=commands,
        lifecycle=lifecycle,
        readback=readback,
        history=history,
        diffs=diffs,
        streams=streams,
        keys=keys,
        ready=lambda: doors[0].ready,
    )
    server = HttpServer(build(settings, rooms), host="127.0.0.1", port=0)
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=20) as http:
        door = Door(server, http, launcher, commands, lifecycle, readback, history, diffs, streams)
        door.settings = settings
        doors.append(door)
        yield door
    streams.close()
    await server.stop(1)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Without keys, on loopback."""
    async with open_door() as opened:
        yield opened


@dataclass
class KeyRing:
    """Keys in a file: ada's own, one for ada and bob, one for all."""

    path: Path
    ada: str
    both: str
    everybody: str


@pytest.fixture
def key_ring(tmp_path: Path) -> KeyRing:
    ada, ada_line = new_key("ada-key", ["ada"])
    both, both_line = new_key("both-key", ["ada", "bob, the builder"])
    everybody, all_line = new_key("all-key", ["*"])
    path = tmp_path / "keys"
    path.write_text(f"# keys\n\n{ada_line}\n{both_line}\n{all_line}\n")
    return KeyRing(path, ada, both, everybody)


@pytest.fixture
async def keyed_door(key_ring: KeyRing) -> AsyncIterator[Door]:
    """With the keys of `key_ring`."""
    async with open_door(keys=ApiKeys(key_ring.path)) as opened:
        yield opened
