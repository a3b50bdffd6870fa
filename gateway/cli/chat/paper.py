"""Text as it is written, in finished lines and the one that is still open."""

import io
from collections.abc import Callable

_LINE_LIMIT = 16 * 1024


class Paper(io.TextIOBase):
    """What a console writes to. `written` is called after each write."""

    def __init__(self, written: Callable[[], None]) -> None:
        super().__init__()
        self._written = written
        self._finished: list[str] = []
        self._open = ""

    @property
    def open_line(self) -> str:
        """With the colours that the console put into it."""
        return self._open

    @property
    def has_finished(self) -> bool:
        """Whether there is something to take."""
        return bool(self._finished)

    def take(self) -> str:
        """The finished lines, which are then forgotten; each ends with a newline."""
        finished, self._finished = self._finished, []
        return "".join(finished)

    def write(self, text: str) -> int:
        *lines, self._open = (self._open + text).split("\n")
        if len(self._open) > _LINE_LIMIT:
            lines.append(self._open)
            self._open = ""
        self._finished.extend(f"{line}\n" for line in lines)
        self._written()
        return len(text)

    def finish(self) -> None:
        """The open line ends as it is."""
        if self._open:
            self.write("\n")

    def isatty(self) -> bool:
        return True

    def writable(self) -> bool:
        return True
