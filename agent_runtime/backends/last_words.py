"""How a CLI ended, and what it complained of last."""

import re

KEPT_BYTES = 4096
"""Of the end of its output; who reads it keeps no more."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def last_words(ending: str, output: bytes, *, which: str) -> str:
    """`ending`: as in "codex exited with code 3"; `which` output it is, as in "error output"."""
    told = _COLOURS.sub("", output.decode("utf-8", "replace")).strip()
    return f"{ending}; the end of its {which}: {told}" if told else ending
