"""Finding the CLIs that npm installed here; installing them when they are not there yet."""

import fcntl
import json
import platform
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent
_INSTALL_LIMIT_S = 600
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_CODEX_TARGETS = {
    "linux-x64": "x86_64-unknown-linux-musl",
    "linux-arm64": "aarch64-unknown-linux-musl",
    "darwin-x64": "x86_64-apple-darwin",
    "darwin-arm64": "aarch64-apple-darwin",
}


class Missing(Exception):
    """A CLI that cannot be had on this machine; the message says why."""


def opencode() -> Path:
    """The pinned opencode's binary, installed first if need be. Raises Missing."""
    return _binary(f"opencode-{_machine()}", "bin/opencode")


def claude() -> Path:
    """The pinned Claude Code's binary, installed first if need be. Raises Missing."""
    return _binary(f"@anthropic-ai/claude-code-{_machine()}", "claude")


def codex() -> Path:
    """The pinned codex's binary, installed first if need be. Raises Missing."""
    target = _CODEX_TARGETS.get(_machine(), _machine())
    return _binary(f"codex-{_machine()}", f"vendor/{target}/bin/codex")


def codex_acp() -> Path:
    """The pinned codex-acp's binary, installed first if need be. Raises Missing."""
    return _binary(f"@zed-industries/codex-acp-{_machine()}", "bin/codex-acp")


def prepare_home(home: Path) -> None:
    """Make a home in which opencode finds what it would else fetch from the network.

    It installs its plugin library beside its configuration, unless a lock file
    there says that it has done so.
    """
    folder = home / ".config" / "opencode"
    (folder / "node_modules").mkdir(parents=True)
    done = {"dependencies": {"@opencode-ai/plugin": "*"}}
    (folder / "package-lock.json").write_text(json.dumps({"packages": {"": done}}))


def _binary(package: str, path: str) -> Path:
    folder = FOLDER / "node_modules" / package
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _installed(folder) != _pinned(package):
            _install()
    binary = folder / path
    if not binary.exists():
        raise Missing(f"npm has none for this machine ({package})")
    return binary


def _machine() -> str:
    machine = platform.machine().lower()
    return f"{platform.system().lower()}-{_MACHINES.get(machine, machine)}"


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise Missing("npm is not installed (it comes with Node.js)")
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_INSTALL_LIMIT_S,
    )
    if done.returncode != 0:
        raise Missing(f"`npm ci` in tests/cli failed: {done.stderr[-1000:]}")


def _pinned(package: str) -> str:
    """Its version; a package under another name is pinned as npm:NAME@VERSION."""
    wanted = json.loads((FOLDER / "package.json").read_text())["optionalDependencies"]
    version: str = wanted.get(package, "")
    return version.rpartition("@")[2]


def _installed(folder: Path) -> str | None:
    try:
        version: str = json.loads((folder / "package.json").read_text())["version"]
    except (OSError, KeyError, ValueError):
        return None
    return version
