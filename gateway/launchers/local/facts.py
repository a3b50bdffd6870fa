"""The facts an agent was made with: all that is needed to start it again."""

import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.errors import Unavailable
from gateway.model import AgentSpec


class AgentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What `agent.json` holds (0600: `env` may hold credentials)."""

    agent_id: str
    user_id: str
    backend: str
    model: str
    permission_mode: str
    env: dict[str, str]
    labels: dict[str, str]
    key_id: str
    policy: str = ""
    created_at: Annotated[datetime, Meta(tz=True)]

    @classmethod
    def of(cls, spec: AgentSpec, *, key_id: str, created_at: datetime) -> "AgentFacts":
        return cls(
            agent_id=spec.agent_id,
            user_id=spec.user_id,
            backend=spec.backend,
            model=spec.model,
            permission_mode=spec.permission_mode,
            policy=spec.policy,
            env=dict(spec.env),
            labels=dict(spec.labels),
            key_id=key_id,
            created_at=created_at,
        )

    @classmethod
    def read(cls, path: Path) -> "AgentFacts | None":
        """None where there are none.

        Raises:
            Unavailable: they cannot be read, or are broken; says why, but nothing of them.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"{_of(path)} cannot be read: {error.strerror}") from error
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Unavailable(f"{_of(path)} is broken: {type(error).__name__}") from error

    def write(self, path: Path) -> None:
        """Whole or not at all, and on disk when it returns. Raises OSError."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            write_synced(draft, msgspec.json.encode(self))
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def __repr__(self) -> str:
        return f"AgentFacts(agent_id={self.agent_id!r}, user_id={self.user_id!r})"


def _of(path: Path) -> str:
    return f"{path.name} of agent {path.parent.name}"


def write_synced(path: Path, content: bytes) -> None:
    """Make a file that does not exist yet; its content is on disk when this returns.

    Raises:
        OSError: FileExistsError where it exists.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
