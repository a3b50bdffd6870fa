"""Running a program to its end, within a limit."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster.node.errors import Failed

_POLL_S = 0.1


def run(
    command: Sequence[str | Path],
    *,
    limit_s: float = 60,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
) -> str:
    """What it wrote to its standard output; `text` is its input, `env` is added to ours.

    Raises:
        Failed: with the end of what it said, or that it took too long.
    """
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=None if env is None else {**os.environ, **env},
            input="" if text is None else text,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"`{_short(command)}` did not end within {limit_s:.0f} s") from error
    except OSError as error:
        raise Failed(f"`{_short(command)}` cannot be run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise Failed(f"`{_short(command)}` failed ({done.returncode}): {said}")
    return done.stdout


def wait(condition: Callable[[], bool], *, limit_s: float, otherwise: str) -> None:
    """Poll until it holds.

    Raises:
        Failed: with `otherwise` when it does not within the limit.
    """
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"{otherwise} within {limit_s:.0f} s")
        time.sleep(_POLL_S)


def _short(command: Sequence[str | Path]) -> str:
    words = " ".join(str(word) for word in command)
    return words if len(words) < 200 else f"{words[:200]} ..."
