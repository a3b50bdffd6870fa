"""Ends every process of a folder once whoever watches over it is gone, however it went.

`python -m tests.peers.warden FOLDER` waits for the end of its standard input,
which the system closes even for a process that was killed with -9.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.peers.processes import end_all_of


@contextmanager
def warden(folder: Path) -> Iterator[None]:
    """Nothing of the folder runs after the block, nor after the death of this process."""
    watching = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.warden", str(folder)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it
    )
    try:
        yield
    finally:
        watching.communicate()
        watching.wait()


if __name__ == "__main__":
    sys.stdin.read()
    end_all_of(Path(sys.argv[1]))
