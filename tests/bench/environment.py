"""A virtual environment with the project and the emitter in it, for as long as it is needed.

Agents' processes take nothing from PYTHONPATH, so the emitter is installed: its
wheel is built by hatchling and unpacked. All else comes from the environment
this runs in, which is read through a .pth file and not changed.
"""

import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

from tests.peers.warden import warden

EMITTER = Path(__file__).parent / "emitter"
_BUILD_S = 60.0


def run_with_emitter(arguments: Sequence[str]) -> int:
    """Run its python; the exit status. However this ends, nothing that was started goes on."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that folders are removed too
    with tempfile.TemporaryDirectory(prefix="forge-bench-") as made, warden(Path(made)):
        python = _with_emitter(Path(made))
        beside = {**os.environ, "TMPDIR": made}  # what is started is known by it
        return subprocess.run([str(python), *arguments], env=beside).returncode


def _with_emitter(folder: Path) -> Path:
    """The python of an environment that is made there."""
    venv.create(folder / "env", with_pip=False, symlinks=True)
    packages = _packages(folder / "env")
    ours = sysconfig.get_path("purelib")
    (packages / "project.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    with zipfile.ZipFile(_wheel(folder)) as wheel:
        wheel.extractall(packages)
    return folder / "env" / "bin" / "python"


def _packages(env: Path) -> Path:
    variables = {"base": str(env), "platbase": str(env)}
    return Path(sysconfig.get_path("purelib", scheme="venv", vars=variables))


def _wheel(folder: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=EMITTER,
        check=True,
        capture_output=True,
        timeout=_BUILD_S,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel
