"""Which packages the agents' image gets for `CLIS`."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CLIS = Path(__file__).parents[2] / "deploy/clis"


def selected(folder: Path, *clis: str) -> subprocess.CompletedProcess[str]:
    """As the image's build runs it, on copies."""
    for path in CLIS.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    command = [sys.executable, str(folder / "select.py"), *clis]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def left(folder: Path) -> tuple[set[str], set[str]]:
    """Names in package.json, and in the lock file, without their platforms."""
    packages: dict[str, Any] = json.loads((folder / "package.json").read_text())
    lock: dict[str, Any] = json.loads((folder / "package-lock.json").read_text())
    wanted = set(packages["optionalDependencies"])
    assert wanted == set(lock["packages"][""]["optionalDependencies"])  # else `npm ci` refuses
    locked = {name.rpartition("node_modules/")[2] for name in lock["packages"] if name}
    return _bare(wanted), _bare(locked)


def _bare(names: set[str]) -> set[str]:
    return {name.partition("-linux-")[0].partition("-darwin-")[0] for name in names}


@pytest.mark.parametrize(
    ("cli", "package"),
    [
        ("opencode", "opencode"),
        ("claude", "@anthropic-ai/claude-code"),
        ("codex", "codex"),
        ("codex-acp", "@zed-industries/codex-acp"),
    ],
)
def test_a_cli_brings_its_packages_and_no_others(tmp_path: Path, cli: str, package: str) -> None:
    """What it is for, on each platform."""
    done = selected(tmp_path, cli)
    assert (done.returncode, done.stderr) == (0, "")
    assert left(tmp_path) == ({package}, {package})


def test_several_come_together(tmp_path: Path) -> None:
    """As with `CLIS="opencode claude"`."""
    assert selected(tmp_path, "opencode", "claude").returncode == 0
    both = {"opencode", "@anthropic-ai/claude-code"}
    assert left(tmp_path) == (both, both)


def test_a_cli_that_is_not_pinned_is_named(tmp_path: Path) -> None:
    """The build ends there, and not without the CLI."""
    done = selected(tmp_path, "opencode", "aider")
    assert done.returncode == 1
    assert "'aider'" in done.stderr
    assert "package.json" in done.stderr
