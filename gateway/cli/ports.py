"""TCP ports of this machine: free, or whose."""

import re
import shutil
import socket
import subprocess

_LSOF = ("lsof", "-nP", "-sTCP:LISTEN", "-Fpc")
_LSOF_FIELDS = re.compile(r"^p(\d+)\nc(.*)$", re.MULTILINE)
_TIMEOUT_S = 5.0


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """Who listens there, as `name (pid 12)`, in general words where the system does not tell."""
    if shutil.which("lsof") is None:
        return "another process"
    argv = [*_LSOF, f"-iTCP:{port}"]
    try:
        told = subprocess.run(  # noqa: S603 - a fixed command of the system
            argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "another process"
    found = _LSOF_FIELDS.search(told.stdout)
    return f"{found[2]} (pid {found[1]})" if found else "another user's process"
