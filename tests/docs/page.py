"""The sessions that a page shows: its `console` blocks, and what they say about a program that
stays up, its `text` blocks."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(console|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "


@dataclass(frozen=True, slots=True)
class Step:
    """A command and the lines it shows; without one: what the program that was started last
    and stays up shows next."""

    command: str
    shown: Sequence[str]


def steps(page: str) -> list[Step]:
    """Those of a page, in order; the page is named by its path in the project."""
    text = (ROOT / page).read_text("utf-8")
    return [step for kind, block in _BLOCK.findall(text) for step in _steps(kind, block)]


def _steps(kind: str, block: str) -> Iterator[Step]:
    if kind == "text":
        yield Step("", block.splitlines())
        return
    for part in re.split(rf"^{re.escape(_PROMPT)}", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        ends = next(end for end in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:end])))
        yield Step("\n".join(lines[:ends]), lines[ends:])


def _is_whole(command: str) -> bool:
    """Whether a shell would not ask for another line."""
    if command.endswith("\\"):
        return False
    try:
        shlex.split(command)
    except ValueError:  # a quotation is open
        return False
    return True
