"""Whether what was shown is what a page says, but for what differs each time."""

import re
from collections.abc import Sequence

_NAMES = (
    r"(?:per|que|ses|prt)_[0-9A-Za-z]{20,40}"
    r"|(?:agt-|req_)[0-9a-f]{16}|\bk[0-9a-f]{8}\b|fk_[A-Za-z0-9_-]{43}|\b[0-9a-f]{64}\b"
    r"|(?<=unix:)/[^\s\"]+\.sock"
)
"""Made anew each time, and used again later on the page."""
_PASSING = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?",
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT",
    r"\b\d\d:\d\d:\d\d\.\d{3}\b",
    r"\b\d+\.\d+(?= s\b)",
    r'(?<="uptime_ms":)\d+',
    r"\b[0-9a-f]{16}\b",
)
_VARIES = re.compile("|".join((f"(?P<name>{_NAMES})", *(f"(?:{form})" for form in _PASSING))))
_ANYTHING = "..."
"""A line of the page that stands for any number of lines."""


class Likeness:
    """Which names here stand for which names of the page. Learns as it compares."""

    def __init__(self) -> None:
        self._here: dict[str, str] = {}

    def same(self, name: str, here: str) -> None:
        """From now on that text of the page is this one here."""
        self._here[name] = here

    def here(self, text: str) -> str:
        """A text of the page with the names that are valid here."""
        for name in sorted(self._here, key=len, reverse=True):
            text = text.replace(name, self._here[name])
        return text

    def matches(self, page: Sequence[str], shown: Sequence[str]) -> bool:
        """Learns the new names of the page's lines when it does."""
        groups: dict[str, str] = {}
        pattern = "".join(self._line(line, groups) for line in page)
        found = re.fullmatch(pattern, "".join(f"{line}\n" for line in shown))
        if found is None:
            return False
        self._here |= {name: found[group] for name, group in groups.items()}
        return True

    def _line(self, line: str, groups: dict[str, str]) -> str:
        if line == _ANYTHING:
            return r"(?:.*\n)*"
        line = self.here(line)
        parts, end = [], 0
        for varying in _VARIES.finditer(line):
            parts += [re.escape(line[end : varying.start()]), self._varying(varying, groups)]
            end = varying.end()
        return "".join([*parts, re.escape(line[end:]), r"\n"])

    def _varying(self, found: "re.Match[str]", groups: dict[str, str]) -> str:
        name = found["name"]
        if name is None:
            return r"[^\n\"]+?"
        if name in self._here.values():
            return re.escape(name)
        if name in groups:
            return f"(?P={groups[name]})"
        groups[name] = f"name{len(groups)}"
        return f"(?P<{groups[name]}>{_NAMES})"
