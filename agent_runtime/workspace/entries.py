"""What becomes of paths that changed: taken, left out, or gone. No git in here."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_FILE_BYTES = 2 * 1024 * 1024
"""A larger one is left out: that it changed is told, and not how."""

GONE = b"0 0000000000000000000000000000000000000000\t"
LEFT_OUT_MODE = b"160000"
"""Git's mode of a commit of another repository: names something that is not kept here."""


@dataclass(slots=True)
class Entries:
    """Paths by what becomes of them. `left_out`: with what tells one state from another."""

    taken: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    left_out: dict[bytes, str] = field(default_factory=dict)
    taken_bytes: int = 0

    @property
    def index_info(self) -> bytes:
        """As `git update-index -z --index-info` reads what is not taken."""
        lines = [GONE + path for path in self.gone]
        lines += [
            b"%s %s\t%s" % (LEFT_OUT_MODE, state.encode(), path)
            for path, state in self.left_out.items()
        ]
        return b"".join(line + b"\0" for line in lines)


def sort(
    workspace: Path, paths: Iterable[bytes], *, left_out: Mapping[bytes, str], room_bytes: int
) -> Entries:
    """Look at each path. What was left out and is as it was then, stays so, and is in none.

    `room_bytes`: so much may be taken; the files that find no room are left out.
    """
    entries = Entries()
    root = os.fsencode(workspace)
    for path in paths:
        _sort(entries, root, path, left_out, room_bytes)
    return entries


def _sort(
    entries: Entries, root: bytes, path: bytes, left_out: Mapping[bytes, str], room_bytes: int
) -> None:
    place = os.path.join(root, path)  # noqa: PTH118 - not every name is text
    try:
        found = os.lstat(place)
    except (FileNotFoundError, NotADirectoryError):
        entries.gone.append(path)
        return
    except OSError as error:
        _leave_out(entries, path, f"unreadable {error.errno}", left_out)
        return
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        entries.gone.append(path)  # a folder now, whose files are listed, or nothing with content
        return
    state = _state(f"{found.st_size} {found.st_mtime_ns}")
    if left_out.get(path) == state:
        return
    room = min(MAX_FILE_BYTES, room_bytes - entries.taken_bytes)
    if found.st_size > room or not _readable(place, found):
        entries.left_out[path] = state
        return
    entries.taken.append(path)
    entries.taken_bytes += found.st_size


def _leave_out(entries: Entries, path: bytes, seen: str, left_out: Mapping[bytes, str]) -> None:
    if left_out.get(path) != (state := _state(seen)):
        entries.left_out[path] = state


def _state(seen: str) -> str:
    """In the form of a git object's name."""
    return hashlib.sha1(seen.encode(), usedforsecurity=False).hexdigest()


def _readable(place: bytes, found: os.stat_result) -> bool:
    return stat.S_ISLNK(found.st_mode) or os.access(place, os.R_OK)
