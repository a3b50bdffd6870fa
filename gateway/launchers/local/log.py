"""A runtime's log file: its stdout and stderr, appended, and the last words in it."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

MAX_BYTES = 10 * 1024 * 1024
"""A longer one is set aside before the next start; one older log is kept."""

_TAIL_BYTES = 4096
_TAIL_LINES = 5
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\U0010ffff]+")
_SHORTEST_SECRET = 8


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
    hidden = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
    lines = [_blanked(_reason(line), hidden) for line in _blanked(text, hidden).splitlines()]
    printable = [_UNPRINTABLE.sub(" ", line).strip() for line in lines]
    return " | ".join([line for line in printable if line][-_TAIL_LINES:])


def _reason(line: str) -> str:
    """Of a structured line what it says, of any other all of it."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return line
    return str(event.get("reason") or event.get("event") or line)


def _blanked(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
