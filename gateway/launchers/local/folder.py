"""One agent's folder: its files, its marks, and what can be seen of its life from outside."""

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.errors import Conflict, NotFound, StartFailed
from gateway.launchers.local import lock, log
from gateway.launchers.local.facts import AgentFacts, sync_folder, write_synced

TRASH_PREFIX = ".trash-"
"""Of folders that are no agent's any more and wait for their removal."""

Stamp = tuple[int, int]
"""Inode and time of change: another one is another file."""


def stamp(path: Path) -> Stamp | None:
    """None where there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - on the path of every message; Path.stat costs twice
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Filed:
    """Facts as read from a file of that stamp."""

    stamp: Stamp
    facts: AgentFacts


@dataclass(frozen=True, slots=True)
class Sighting:
    """An agent as it was seen.

    `running`: its lock is held; `clean`: it is not, and there is nothing left to do.
    """

    folder: "AgentFolder"
    filed: Filed
    deleted: bool
    running: bool
    clean: bool

    @property
    def facts(self) -> AgentFacts:
        return self.filed.facts


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """Paths are made once: they are used for every message. Blocking, but for a few us only,
    where it is not said otherwise."""

    agent_id: str
    path: Path
    socket: Path
    target: str
    lock: Path
    clean: Path
    deleted: Path
    facts: Path
    log: Path
    workspace: Path

    @classmethod
    def of(cls, agent_id: str, path: Path, socket: Path) -> Self:
        return cls(
            agent_id=agent_id,
            path=path,
            socket=socket,
            target=f"unix:{socket}",
            lock=path / "lock",
            clean=path / "clean",
            deleted=path / "deleted",
            facts=path / "agent.json",
            log=path / "log",
            workspace=path / "workspace",
        )

    def is_running(self) -> bool:
        """Raises Unavailable when it cannot be told."""
        return lock.is_held(self.lock)

    def is_clean(self) -> bool:
        return stamp(self.clean) is not None

    def is_deleted(self) -> bool:
        return stamp(self.deleted) is not None

    def look(self, known: Filed | None) -> Sighting | None:
        """None where there is no agent. `known`: what was read before, read again if changed.

        Whether an agent that runs is clean means nothing, and is not looked at.

        Raises:
            Unavailable: its facts cannot be read, or whether it lives cannot be told.
        """
        filed = self._filed(known)
        if filed is None or filed.facts.agent_id != self.agent_id:
            return None
        running = self.is_running()
        clean = not running and self.is_clean()
        if not running and not clean:  # it may have started, and removed the mark, in between
            running = self.is_running()
        return Sighting(self, filed, self.is_deleted(), running, clean)

    def _filed(self, known: Filed | None) -> Filed | None:
        now = stamp(self.facts)
        if now is None:
            return None
        if known and known.stamp == now:
            return known
        facts = AgentFacts.read(self.facts)
        return Filed(now, facts) if facts else None

    def make(self) -> None:
        """The folder without facts, so not an agent yet. Synced: not for the event loop.

        Raises:
            Conflict: the agent_id is taken.
            StartFailed: it cannot be made; nothing is left.
        """
        try:
            self.path.mkdir(mode=0o700)
            self.workspace.mkdir(mode=0o700)
            sync_folder(self.path.parent)
        except FileExistsError as error:
            raise Conflict(f"an agent {self.agent_id} exists") from error
        except OSError as error:
            with contextlib.suppress(OSError):
                self.path.rmdir()
            raise StartFailed(f"the agent's folder cannot be made: {error.strerror}") from error

    def file(self, facts: AgentFacts) -> None:
        """From now on it is an agent, for every gateway. Synced: not for the event loop.

        Raises:
            StartFailed: they cannot be written.
        """
        try:
            facts.write(self.facts)
        except OSError as error:
            raise StartFailed(f"the agent's facts cannot be written: {error.strerror}") from error

    def make_way(self) -> bool:
        """Clear what an ended runtime left, before the next; False when one lives.

        Its socket goes so that nobody can take the old for the new one.

        Raises:
            StartFailed: the folder cannot be used.
        """
        try:
            with lock.taken(self.lock) as free:
                if free:
                    self.socket.unlink(missing_ok=True)
                    log.rotate(self.log)
                return free
        except OSError as error:
            raise StartFailed(f"the agent's folder cannot be used: {error.strerror}") from error

    def bury(self) -> None:
        """Write the tombstone. Synced: not for the event loop.

        Raises:
            NotFound: it is gone, or has its tombstone.
            StartFailed: it cannot be written.
        """
        try:
            write_synced(self.deleted, b"")
            sync_folder(self.path)
        except (FileExistsError, FileNotFoundError) as error:
            raise NotFound(f"there is no agent {self.agent_id}") from error
        except OSError as error:
            raise StartFailed(f"the agent cannot be deleted: {error.strerror}") from error

    def discard(self) -> Path | None:
        """Rename it out of sight under its lock, its socket gone; None while a runtime lives.

        What is renamed is left for removal.
        """
        trash = self.path.with_name(f"{TRASH_PREFIX}{self.agent_id}-{secrets.token_hex(4)}")
        try:
            with lock.taken(self.lock) as free:
                if not free:
                    return None
                self.socket.unlink(missing_ok=True)
                self.path.rename(trash)
        except OSError:  # another gateway was faster
            return None
        return trash
