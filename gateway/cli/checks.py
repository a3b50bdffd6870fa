"""What `forge doctor` looks at: each check is a function that looks and says."""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from gateway.cli import ports
from gateway.cli.api import Api
from gateway.cli.backends import ask_runtime
from gateway.cli.connection import Connection
from gateway.cli.errors import Trouble
from gateway.cli.listen import DEFAULT_PORT as LISTEN_PORT
from gateway.errors import SettingsError
from gateway.settings import Settings

_OLDEST_PYTHON = (3, 11)
_TIMEOUT_S = 10.0
_OTHERS = 0o077


class Check(msgspec.Struct, frozen=True):
    """ok: as it should be; warning: something else may miss it; broken: nothing works without."""

    name: str
    state: Literal["ok", "warning", "broken"]
    detail: str


def all_checks(connection: Connection) -> Iterator[Check]:
    """Each as soon as it is done; the whole takes some seconds."""
    yield _python()
    yield from _backends()
    yield _program("node", "needed by the npm-installed CLIs")
    yield _program("npm", "installs CLIs such as opencode-ai")
    yield _program("git", "tells what agents have changed (forge diff)")
    try:
        settings = Settings.from_env(os.environ)
    except SettingsError as error:
        yield Check("settings", "broken", str(error))
        return
    yield _folder("state folder", settings.state_dir, "FORGE_STATE_DIR")
    yield _folder("socket folder", settings.runtime_dir, "FORGE_RUNTIME_DIR")
    reachable = asyncio.run(_gateway(connection))
    yield reachable
    yield _gateway_port(settings, reachable, connection)
    yield _listen_port()


def _python() -> Check:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", "broken", f"{found}; 3.11 or newer is needed")
    return Check("python", "ok", found)


def _backends() -> Iterator[Check]:
    try:
        reports = ask_runtime()
    except Trouble as error:
        yield Check("runtime", "broken", error.format_message())
        return
    usable = [report.name for report in reports if report.usable]
    told = f"usable backends: {', '.join(usable)}" if usable else "no backend is usable; see below"
    yield Check("runtime", "ok" if usable else "broken", told)
    for report in reports:
        state: Literal["ok", "warning"] = "ok" if report.usable else "warning"
        yield Check(f"backend {report.name}", state, report.detail)


def _program(name: str, use: str) -> Check:
    path = shutil.which(name)
    if path is None:
        return Check(name, "warning", f"not installed; {use}")
    try:
        told = subprocess.run(  # noqa: S603 - a program found on PATH, asked for its version
            [path, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Check(name, "warning", f"{path} does not run: {error}")
    return Check(name, "ok", f"{told.stdout.strip()} ({path})")


def _folder(name: str, path: Path, variable: str) -> Check:
    if not path.exists():
        return _folder_to_be(name, path, variable)
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Check(name, "broken", f"{path} is no folder you may write to; set {variable}")
    status = path.stat()
    if status.st_uid != os.getuid():
        return Check(name, "broken", f"{path} belongs to another user; set {variable}")
    if status.st_mode & _OTHERS:
        return Check(name, "warning", f"{path} is open to others; run: chmod 700 {path}")
    return Check(name, "ok", str(path))


def _folder_to_be(name: str, path: Path, variable: str) -> Check:
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Check(name, "broken", f"{path} cannot be made in {nearest}; set {variable}")
    return Check(name, "ok", f"{path} (made on first use)")


async def _gateway(connection: Connection) -> Check:
    try:
        async with Api(connection) as api:
            await api.healthy()
            found = await api.list_agents()
    except Trouble as error:
        state: Literal["broken", "warning"] = "broken" if "FORGE_URL" in os.environ else "warning"
        return Check("gateway", state, error.format_message())
    return Check("gateway", "ok", f"answers at {connection.url}, {len(found)} agents of yours")


def _gateway_port(settings: Settings, gateway: Check, connection: Connection) -> Check:
    name = f"port {settings.port}"
    if ports.is_free(settings.host, settings.port):
        return Check(name, "ok", "free for `forge serve`")
    if gateway.state == "ok" and connection.url.endswith(f":{settings.port}"):
        return Check(name, "ok", "the gateway's")
    taken_by = ports.holder(settings.port)
    return Check(name, "broken", f"taken by {taken_by}; end that, or set PORT")


def _listen_port() -> Check:
    name = f"port {LISTEN_PORT}"
    if ports.is_free("127.0.0.1", LISTEN_PORT):
        return Check(name, "ok", "free for `forge listen`")
    taken_by = ports.holder(LISTEN_PORT)
    return Check(name, "warning", f"taken by {taken_by}; `forge listen --port` takes another")
