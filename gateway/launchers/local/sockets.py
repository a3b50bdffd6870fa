"""The runtime folder: short paths for Unix sockets, closed to everybody else.

`<runtime_dir>/<hash of the state folder>/<hash of the agent>.sock`. Where the
system has no folder of the user's own for this, the parent may be one that
everybody can write to (/tmp): what others could have put there is refused.
"""

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from gateway.errors import StartFailed

MAX_PATH_BYTES = 103
"""macOS takes no more (Linux: 107)."""

_STATE_HASH = 10
_AGENT_HASH = 16
_LONGEST_NAME = "gateway-00000000.sock"
_NOT_IN_TARGETS = frozenset("%?#")
_VARIABLE = "FORGE_RUNTIME_DIR"


def agent_socket_name(agent_id: str) -> str:
    return f"{hashlib.sha256(agent_id.encode()).hexdigest()[:_AGENT_HASH]}.sock"


def sockets_folder(runtime_dir: Path, state_dir: Path) -> Path:
    """Where the sockets of this state folder are, without links on the way."""
    state = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:_STATE_HASH]
    runtime_dir = runtime_dir.absolute()
    return runtime_dir.parent.resolve() / runtime_dir.name / state


def prepare(folder: Path) -> None:
    """Make and check it. Blocking.

    Raises:
        StartFailed: it cannot be made, is not ours alone, or its path is too
            long; names FORGE_RUNTIME_DIR.
    """
    _check_name(folder)
    runtime_dir = folder.parent
    try:
        runtime_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part, closed_to_others in ((runtime_dir, 0o022), (folder, 0o077)):
            with contextlib.suppress(FileExistsError):  # whatever it is, it is checked
                part.mkdir(mode=0o700)
            _check_ours(part, closed_to_others)
        for ancestor in runtime_dir.parents:
            _check_safe(ancestor)
    except OSError as error:
        raise StartFailed(
            f"{_VARIABLE}: {runtime_dir} cannot be used for sockets: {error.strerror}"
        ) from error


def _check_name(folder: Path) -> None:
    longest = len(os.fsencode(folder / _LONGEST_NAME))
    if longest > MAX_PATH_BYTES:
        room = MAX_PATH_BYTES - longest + len(os.fsencode(folder.parent))
        raise StartFailed(
            f"{_VARIABLE}: {folder.parent} is too long for Unix sockets; at most {room} bytes"
        )
    if _NOT_IN_TARGETS & set(str(folder)):
        raise StartFailed(f"{_VARIABLE}: {folder.parent} must not hold any of % ? #")


def _check_ours(folder: Path, closed_to_others: int) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise StartFailed(f"{_VARIABLE}: {folder} must be a folder of the gateway's own user")
    if status.st_mode & closed_to_others:
        raise StartFailed(f"{_VARIABLE}: {folder} is open to others; run: chmod 700 {folder}")


def _check_safe(ancestor: Path) -> None:
    """Nobody else may be able to put another folder in the place of ours."""
    status = ancestor.lstat()
    foreign = status.st_uid not in (0, os.geteuid()) or not stat.S_ISDIR(status.st_mode)
    loose = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
    if foreign or loose:
        raise StartFailed(
            f"{_VARIABLE}: others can replace what is in {ancestor}; name a folder of your own"
        )
