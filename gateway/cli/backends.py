"""Which backends could run here, by the runtime's own word."""

import subprocess
import sys
from collections.abc import Sequence

import msgspec

from gateway.cli.errors import Trouble

_TIMEOUT_S = 60.0
"""Probing starts CLIs to ask for their versions."""
FALLBACK = "command"
"""Drives no model, so it is the last choice of a person who wants an agent."""


class BackendReport(msgspec.Struct, frozen=True):
    """`detail`: the version found, or what is missing and what would help."""

    name: str
    usable: bool
    detail: str


def ask_runtime() -> Sequence[BackendReport]:
    """Blocks until the runtime has looked, 60 s at most.

    Raises:
        Trouble: the runtime cannot be run or says something else.
    """
    argv = [sys.executable, "-m", "agent_runtime", "backends"]
    try:
        answer = subprocess.run(  # noqa: S603 - our own runtime
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT_S, check=True
        )
        return [
            msgspec.json.decode(line, type=BackendReport) for line in answer.stdout.splitlines()
        ]
    except subprocess.TimeoutExpired as error:
        raise Trouble(f"the runtime did not list its backends within {_TIMEOUT_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise Trouble(f"the runtime cannot be run: {last}; install forge-gateway anew") from error
    except (OSError, msgspec.DecodeError) as error:
        raise Trouble(f"the runtime cannot be asked for its backends: {error}") from error


def best(reports: Sequence[BackendReport]) -> BackendReport:
    """The first usable one that drives a model, else `command`.

    Raises:
        Trouble: none is usable; says what each lacks.
    """
    usable = [report for report in reports if report.usable]
    for report in usable:
        if report.name != FALLBACK:
            return report
    if usable:
        return usable[0]
    lacks = "; ".join(f"{report.name}: {report.detail}" for report in reports)
    raise Trouble(f"no backend is usable here ({lacks})")
