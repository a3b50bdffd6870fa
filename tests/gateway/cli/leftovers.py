"""Processes that a test must not leave behind."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.peers.processes import names


def runtimes_of(state_dir: str) -> Sequence[int]:
    """Pids of runtimes whose agents live under that state folder."""
    if Path("/proc/self/environ").exists():
        return [pid for pid in _pids() if names(_environ(pid), state_dir)]
    told = subprocess.run(["ps", "-axEwwo", "pid=,command="], capture_output=True, text=True)
    return [int(line.split()[0]) for line in told.stdout.splitlines() if names(line, state_dir)]


def end_runtimes_of(state_dir: str) -> None:
    """For tests that kill a gateway: its agents outlive it."""
    for pid in runtimes_of(state_dir):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _pids() -> Sequence[int]:
    own = os.getpid()
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if int(path.name) != own]


def _environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
