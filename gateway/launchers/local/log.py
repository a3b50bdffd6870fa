"""A runtime's log file: its stdout and stderr, appended, and the last words in it."""

import os
from collections.abc import Iterable
from pathlib import Path

from gateway.launchers import words

MAX_BYTES = 10 * 1024 * 1024
"""A longer one is set aside before the next start; one older log is kept."""

_TAIL_BYTES = 4096


def rotate(path: Path) -> None:
    """Set the log aside when it is too long. Only while no runtime writes to it."""
    if size(path) > MAX_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))


def size(path: Path) -> int:
    """In bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def open_to_append(path: Path) -> int:
    """A file descriptor for a child's output. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)


def last_words(path: Path, *, since_bytes: int, secrets: Iterable[str]) -> str:
    """The last lines written after that position, in one printable line, secrets blanked."""
    try:
        with path.open("rb") as file:
            file.seek(max(since_bytes, size(path) - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
    return words.last(text, secrets=secrets)
