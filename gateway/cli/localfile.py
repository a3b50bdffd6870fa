"""Files of this machine that go along with a message."""

import mimetypes
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli.errors import Trouble

_LIMIT_BYTES = 64 * 1024 * 1024
"""For our memory's sake; what a gateway takes is less, as a rule, and it says so itself."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_TEXTS = ("application/json", "application/toml", "application/xml", "application/yaml")


@dataclass(frozen=True, slots=True)
class LocalFile:
    """`mime_type` is our guess."""

    filename: str
    mime_type: str
    data: bytes = field(repr=False)

    @property
    def told(self) -> str:
        """Name, type and size, for the user to see."""
        return f"{self.filename} ({self.mime_type}, {len(self.data):,} bytes)"

    def wire(self) -> dict[str, str]:
        """As one of a message's `attachments`."""
        return {
            "filename": self.filename,
            "mime_type": self.mime_type,
            "data": b64encode(self.data).decode(),
        }


def read_file(path: Path) -> LocalFile:
    """Raises Trouble: it is no file, or cannot be read."""
    try:
        if path.exists() and not path.is_file():
            raise Trouble(f"{path} is no file")
        with path.open("rb") as file:
            data = file.read(_LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        reason = getattr(error, "strerror", None) or "no such name"
        raise Trouble(f"{path} cannot be read: {reason}") from error
    if len(data) > _LIMIT_BYTES:
        raise Trouble(f"{path} is over {_LIMIT_BYTES} bytes")
    return LocalFile(path.name, mime_type_of(path.name, data), data)


def mime_type_of(name: str, data: bytes) -> str:
    """By the first bytes, then by whether it is text, then by the name."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    found = next((kind for mark, kind in _MAGIC if data.startswith(mark)), "")
    named, _ = mimetypes.guess_type(name)
    if found or not _is_text(data):
        return found or named or "application/octet-stream"
    if named is None or named.startswith("text/vnd."):
        return "text/plain"
    return named if named.startswith("text/") or named in _TEXTS else "text/plain"


def wire_of(files: Sequence[LocalFile]) -> dict[str, object]:
    """What a message says of them; nothing where there are none."""
    return {"attachments": [file.wire() for file in files]} if files else {}


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
