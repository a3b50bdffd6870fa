"""Rotating the gateway keys of a state folder: adding one, using it, taking one out.

Keys that come from a Secret are changed there; what is made here for it is a line.

Each step is safe by itself: gateways that run see every change within a second,
and a key opens on all of them before any seals with it.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import GatewayError, KeyringError
from gateway.keyring import FILE_NAME, GatewayKey
from gateway.keyring.file import LOOK_EVERY_S, read, replace
from gateway.launchers.local import lock
from gateway.launchers.local.folders import AgentFolders
from gateway.launchers.local.sockets import sockets_folder
from gateway.settings import Settings

SEEN_S = 2 * LOOK_EVERY_S
"""After so long every gateway has seen a change."""


def line() -> str:
    """A new key, in the form that the file and the Secret have."""
    return GatewayKey.new().line()


def add(settings: Settings) -> tuple[str, ...]:
    """Add a key that opens and does not seal; the ids of all, the current one first, it last.

    This and the others raise KeyringError, in words.
    """
    with _keys(settings) as (path, keys):
        return _write(path, [*keys, GatewayKey.new()])


def use(settings: Settings, key_id: str) -> tuple[str, ...]:
    """Make that key the current one; the ids of all."""
    with _keys(settings) as (path, keys):
        chosen = _find(keys, key_id)
        return _write(path, [chosen, *(key for key in keys if key is not chosen)])


def remove(settings: Settings, key_id: str) -> tuple[str, ...]:
    """Take that key out; the ids of those that stay. Not the current one, nor one of an agent."""
    with _keys(settings) as (path, keys):
        chosen = _find(keys, key_id)
        if chosen is keys[0]:
            raise KeyringError(f"{key_id} is the current key; use another one first")
        if time.time() - path.stat().st_mtime < SEEN_S:
            raise KeyringError("the keys have just been changed; repeat in a few seconds")
        agents = _agents_of(settings, key_id)
        if agents:
            shown = ", ".join(agents[:3]) + (", ..." if len(agents) > 3 else "")
            raise KeyringError(
                f"{len(agents)} agents were made under {key_id} and need it: {shown}; "
                "delete them first"
            )
        return _write(path, [key for key in keys if key is not chosen])


@contextlib.contextmanager
def _keys(settings: Settings) -> Iterator[tuple[Path, tuple[GatewayKey, ...]]]:
    """The file and what it holds, for one who changes it at a time."""
    if settings.gateway_keys_file is not None:
        raise KeyringError(
            f"the gateway keys in {settings.gateway_keys_file} (FORGE_GATEWAY_KEYS_FILE) come from "
            "a Secret; change that: docs/operations.md, Rotating the gateway's key"
        )
    path = settings.state_dir / FILE_NAME
    if not path.exists():
        raise KeyringError(
            f"there are no gateway keys in {settings.state_dir}, where no gateway has run yet; "
            "set FORGE_STATE_DIR to the folder that the gateways use"
        )
    try:
        with lock.taken(path.with_name(f"{FILE_NAME}.lock")) as ours:
            if not ours:
                raise KeyringError("the keys are being changed by somebody else; repeat")
            yield path, read(path)
    except OSError as error:
        raise KeyringError(f"the keys in {path} cannot be changed: {error.strerror}") from error


def _write(path: Path, keys: list[GatewayKey]) -> tuple[str, ...]:
    replace(path, keys)
    return tuple(key.key_id for key in keys)


def _find(keys: tuple[GatewayKey, ...], key_id: str) -> GatewayKey:
    for key in keys:
        if key.key_id == key_id:
            return key
    known = ", ".join(key.key_id for key in keys)
    raise KeyringError(f"there is no gateway key {key_id}; there are {known}")


def _agents_of(settings: Settings, key_id: str) -> list[str]:
    """Deleted ones too: they may still have something to deliver."""
    path = settings.state_dir / "agents"
    if not os.path.lexists(path):
        return []
    sockets = sockets_folder(settings.runtime_dir, settings.state_dir)
    try:
        survey = AgentFolders(path, sockets).survey({})
    except GatewayError as error:
        raise KeyringError(f"it cannot be seen whether an agent needs {key_id}: {error}") from error
    if survey.unseen:
        reason = next(iter(survey.unseen.values()))
        raise KeyringError(f"it cannot be seen whether an agent needs {key_id}: {reason}")
    return sorted(seen.facts.agent_id for seen in survey.sightings if seen.facts.key_id == key_id)
