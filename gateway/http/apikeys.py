"""API keys: the file that lists them, and the one way to make a new one.

A line is `NAME SHA256 OWNER[,OWNER...]`: the key's name (it appears in logs), the
SHA-256 of the key in hex, and whose agents it may use, `*` for everybody's.
Owners are percent-encoded (RFC 3986), so `ada lovelace` is `ada%20lovelace`.
Empty lines and lines that begin with `#` mean nothing. The key itself is
nowhere.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from gateway.errors import BadRequest, SettingsError
from gateway.http.callers import Caller
from gateway.http.forms import Owner

ALL = "*"
LIMIT_BYTES = 1024 * 1024
LOOK_EVERY_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_logger = logging.getLogger(__name__)


def new_key(name: str, owners: Iterable[str]) -> tuple[str, str]:
    """A new key and its line for the keys file. `owners`: as they are, or `*` alone.

    Raises:
        BadRequest: the name or an owner cannot be used; says what would be right.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest("NAME must be 1 to 64 letters, digits, `.`, `_`, `@` or `-`")
    listed = list(dict.fromkeys(owners))
    if not listed:
        raise BadRequest(f"an owner is needed, or `{ALL}` for all")
    for owner in listed:
        _check_owner(owner)
    key = f"fk_{secrets.token_urlsafe(32)}"
    scope = ALL if ALL in listed else ",".join(quote(owner, safe="") for owner in listed)
    return key, f"{name} {_digest(key)} {scope}"


def _check_owner(owner: str) -> None:
    try:
        Owner.of(owner)
    except ValueError as error:
        raise BadRequest(f"owner: {error}") from error


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class _Entry:
    digest: str = field(repr=False)
    caller: Caller


@dataclass(frozen=True, slots=True)
class _Version:
    """Tells one content of the file from another without reading it."""

    inode: int
    size: int
    mtime_ns: int


class ApiKeys:
    """The keys in force: the file's, as it was last found in order.

    Looked at by every request, on the event loop; the file is looked at once a
    second at most, and a broken one changes nothing but the log.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingsError when the file cannot be used."""
        self._path = path
        self._clock = clock
        try:
            self._seen: _Version | None = _version(path)
            self._entries = parse(_read(path))
        except (OSError, ValueError) as error:
            raise SettingsError(f"FORGE_KEYS_FILE: {path}: {_reason(error)}") from error
        self._look_at = clock() + LOOK_EVERY_S

    def find(self, key: str) -> Caller | None:
        """Whose key it is. Takes as long for a wrong key as for a right one."""
        self._refresh()
        digest = _digest(key)
        found = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, digest):
                found = entry.caller
        return found

    def _refresh(self) -> None:
        if self._clock() < self._look_at:
            return
        self._look_at = self._clock() + LOOK_EVERY_S
        try:
            version = _version(self._path)
            if version == self._seen:
                return
            self._seen = version
            self._entries = parse(_read(self._path))
        except (OSError, ValueError) as error:
            self._complain(error)
        else:
            _logger.info("keys_file_read", extra={"keys": len(self._entries)})

    def _complain(self, error: Exception) -> None:
        if isinstance(error, OSError):
            if self._seen is None:
                return
            self._seen = None  # once it is there again, it is read whatever it looks like
        _logger.error(
            "keys_file_unusable_old_keys_stay",
            extra={"path": str(self._path), "reason": _reason(error)},
        )


def parse(text: str) -> tuple[_Entry, ...]:
    """The entries of a keys file. Raises ValueError with the number of the wrong line."""
    entries: list[_Entry] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                entries.append(_entry(line))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from error
    for what in ({e.digest for e in entries}, {e.caller.name for e in entries}):
        if len(what) != len(entries):
            raise ValueError("two lines have the same name or the same key")
    if not entries:
        raise ValueError("there is no key in it; `forge keys new NAME --owner USER` makes one")
    return tuple(entries)


def _entry(line: str) -> _Entry:
    words = line.split()
    if len(words) != 3:
        raise ValueError("`NAME SHA256 OWNER[,OWNER...]` is needed, owners percent-encoded")
    name, digest, scope = words
    if not _NAME.fullmatch(name):
        raise ValueError("the name must be 1 to 64 letters, digits, `.`, `_`, `@` or `-`")
    if not _SHA256.fullmatch(digest):
        raise ValueError("the second word must be the key's SHA-256, 64 hex digits in lower case")
    if scope == ALL:
        return _Entry(digest, Caller(name=name, owners=None))
    owners = [_owner(encoded) for encoded in scope.split(",")]
    return _Entry(digest, Caller(name=name, owners=frozenset(owners)))


def _owner(encoded: str) -> str:
    try:
        return str(Owner.of(unquote(encoded, errors="strict")))
    except UnicodeDecodeError as error:
        raise ValueError("an owner is not percent-encoded UTF-8") from error


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise ValueError(f"it is larger than {LIMIT_BYTES} bytes")
    return content.decode("utf-8")


def _version(path: Path) -> _Version:
    stat = path.stat()
    return _Version(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return str(error)
