"""Text from outside, made harmless for a terminal.

Agents, models and servers say what they like: escape sequences that rewrite the
screen, set its title or answer in the user's name, and marks that turn the
direction of writing. All of them are made visible instead of being obeyed.
"""

import re

_UNSAFE = (
    r"\x0b-\x1f\x00-\x08\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of writing
    r"\ud800-\udfff"  # lone surrogates, which no stream can encode
)
_IN_TEXT = re.compile(f"[{_UNSAFE}]")
_IN_JSON = re.compile(f"[\t\n{_UNSAFE}]")
_SPACES = re.compile(r"\s+")


def printable(text: str) -> str:
    """The text with tabs and newlines kept and every other control made visible."""
    return _IN_TEXT.sub(_shown, text.replace("\r\n", "\n"))


def one_line(text: str, *, limit: int) -> str:
    """Printable, on one line, at most `limit` characters; cut ones end in `…`."""
    line = _SPACES.sub(" ", printable(text[: limit * 4])).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"


def json_line(body: bytes) -> str:
    """Valid JSON on one line, with the same meaning and no control in it.

    Between tokens JSON allows no control but white space, and inside strings
    the others may be written as escapes.
    """
    return _IN_JSON.sub(_escaped, body.decode())


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return f"\\u{code:04x}"


def _escaped(match: re.Match[str]) -> str:
    return " " if match[0] in "\t\n\r" else f"\\u{ord(match[0]):04x}"
