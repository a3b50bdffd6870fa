"""Sessions that are to begin, empty or as others, and of which the CLI knows nothing yet.

It makes one when it is started with the first message. Until then it is a file, for
the runtime may be gone by then.
"""

import os
import re
import uuid
from pathlib import Path

from agent_runtime.errors import Refused

_SESSION = re.compile(r"[0-9A-Za-z-]{1,64}")


class Planned:
    """Owned by the backend. A file a session in a folder that exists; it holds the other's id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, of: str) -> str:
        """The id of a new one, when it is on disk; `of` "": it is empty. Raises Refused."""
        made = str(uuid.uuid4())
        try:
            _write(self._file(made), of)
        except OSError as error:
            raise Refused(f"the session cannot be kept: {error}") from error
        return made

    def origin(self, session_id: str) -> str | None:
        """The session that this one is to begin as, "" for none; None where it is not planned."""
        if not is_session(session_id):
            return None
        try:
            return self._file(session_id).read_text("ascii")
        except (OSError, ValueError):
            return None

    def forget(self, session_id: str) -> None:
        """The CLI knows it now."""
        self._file(session_id).unlink(missing_ok=True)

    def _file(self, session_id: str) -> Path:
        return self._folder / f"session-{session_id}"


def is_session(session_id: str) -> bool:
    """Whether it has the form of the CLI's ids, which are names of files."""
    return bool(_SESSION.fullmatch(session_id))


def _write(path: Path, content: str) -> None:
    """Whole, and there after a power cut."""
    half = path.with_suffix(".new")
    with half.open("w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
