"""What was typed in earlier conversations, for the arrow keys."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs
from prompt_toolkit.history import History

_MOST = 500
_MOST_BYTES = 1024 * 1024
_LONGEST = 10_000


def inputs_file() -> Path:
    """Of this user; conversations with all agents share it."""
    return Path(platformdirs.user_state_dir("forge")) / "chat-inputs.jsonl"


class Inputs(History):
    """The last 500 in a file that only its owner can read; without a file, those of now."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def load_history_strings(self) -> Iterable[str]:
        """Newest first."""
        return reversed(self._kept())

    def store_string(self, string: str) -> None:
        if len(string) > _LONGEST:
            return
        kept = [*self._kept(), string][-_MOST:]
        lines = [json.dumps(text) for text in kept]
        while sum(map(len, lines)) > _MOST_BYTES:
            del lines[0]
        with contextlib.suppress(OSError):  # a conversation needs no memory
            self._path.parent.mkdir(parents=True, exist_ok=True)
            new = self._path.with_suffix(f".{os.getpid()}")
            new.touch(mode=0o600)
            new.write_text("".join(f"{line}\n" for line in lines))
            new.replace(self._path)

    def _kept(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                lines = file.read(2 * _MOST_BYTES).splitlines()
        except OSError:
            return []
        kept = []
        for line in lines:
            with contextlib.suppress(ValueError):
                text = json.loads(line)
                if isinstance(text, str):
                    kept.append(text)
        return kept[-_MOST:]
