"""What is being done, step by step, with seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show `what` while it is done, then how long it took."""
    began = time.monotonic()
    _show(f"{what} ... ")
    try:
        yield
    except BaseException:
        _show(f"failed after {time.monotonic() - began:.1f} s\n")
        raise
    _show(f"{time.monotonic() - began:.1f} s\n")


def _show(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
