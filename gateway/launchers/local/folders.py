"""All agents' folders of one state folder: finding one, looking through them, the trash."""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotFound, StartFailed, Unavailable
from gateway.launchers.local.folder import TRASH_PREFIX, AgentFolder, Sighting
from gateway.launchers.local.sockets import agent_socket_name

HALF_MADE_AGE_S = 3600.0
"""A folder without facts that is older is nobody's any more."""

_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is. `unseen`: agents of which nothing can be told now, and why not;
    `abandoned`: folders that never became agents."""

    sightings: tuple[Sighting, ...]
    unseen: Mapping[str, str]
    abandoned: tuple[AgentFolder, ...]
    has_trash: bool


class AgentFolders:
    """Blocking; only `folder` is for the event loop."""

    def __init__(self, path: Path, sockets: Path) -> None:
        self._path = path
        self._sockets = sockets

    def prepare(self) -> None:
        """Raises StartFailed, naming FORGE_STATE_DIR, where agents cannot live."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            owner = self._path.stat().st_uid
            self._path.chmod(0o700)
        except OSError as error:
            raise StartFailed(
                f"FORGE_STATE_DIR: agents cannot live in {self._path}: {error.strerror}"
            ) from error
        if owner != os.geteuid():
            raise StartFailed(f"FORGE_STATE_DIR: {self._path} belongs to another user")

    def folder(self, agent_id: str) -> AgentFolder:
        """Where that agent is, or would be.

        Raises:
            NotFound: no agent can have such an id.
        """
        if not _AGENT_ID.fullmatch(agent_id):
            raise NotFound("there is no such agent")
        return AgentFolder.of(
            agent_id, self._path / agent_id, self._sockets / agent_socket_name(agent_id)
        )

    def survey(self, known: Mapping[str, Sighting]) -> Survey:
        """Look at everything. Raises Unavailable when the folder cannot be listed.

        `known`: as it was seen before; of that nothing is read again but what has changed.
        """
        sightings, unseen, abandoned = [], {}, []
        for name in self._names():
            before = known.get(name)
            folder = before.folder if before else self.folder(name)
            try:
                seen = folder.look(before.filed if before else None)
            except Unavailable as error:
                unseen[folder.agent_id] = str(error)
                continue
            if seen is not None:
                sightings.append(seen)
            elif _is_abandoned(folder):
                abandoned.append(folder)
        return Survey(tuple(sightings), unseen, tuple(abandoned), any(self._trash()))

    def empty_trash(self) -> None:
        """May take long: workspaces are as large as their agents made them."""
        for path in self._trash():
            remove(path)

    def _names(self) -> list[str]:
        try:
            with os.scandir(self._path) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError as error:
            raise Unavailable(f"agents cannot be listed: {error.strerror}") from error
        return [name for name in names if _AGENT_ID.fullmatch(name)]

    def _trash(self) -> Iterator[Path]:
        return self._path.glob(f"{TRASH_PREFIX}*")


def remove(folder: Path) -> None:
    """Remove what was discarded. What resists is tried again with the trash."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        _unseal(folder)
        shutil.rmtree(folder)


def _is_abandoned(folder: AgentFolder) -> bool:
    try:
        age_s = time.time() - folder.path.stat().st_mtime
    except OSError:
        return False
    return age_s > HALF_MADE_AGE_S and not folder.facts.exists()


def _unseal(path: Path) -> None:
    """Give ourselves back what an agent took away: read-only folders cannot be emptied."""
    path.chmod(0o700)  # raises FileNotFoundError where nothing was left
    for parent, folders, _ in os.walk(path):
        for name in folders:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(0o700)
