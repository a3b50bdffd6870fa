"""A CLI of a version that is not supported is told as that, however it shows: real processes."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.claude_code import ClaudeCodeBackend
from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import BackendUnusable
from tests.agent_runtime.backends.place import Place
from tests.peers import acp_peer, claude_peer, codex_peer, opencode_peer


@dataclass(frozen=True)
class Cli:
    """`speaking`: makes an executable that starts as it should, and tells that version."""

    kind: type[Backend]
    program: str
    supported: str
    speaking: Callable[[Path, str], Path]


CLAUDE = Cli(
    ClaudeCodeBackend,
    "claude",
    "2.1.329 or newer, and older than 3",
    lambda folder, told: claude_peer.binary(folder, claude_peer.PeerScript(version=told)),
)
CODEX = Cli(
    CodexBackend,
    "codex",
    "0.169 or newer, and older than 1",
    lambda folder, told: codex_peer.binary(folder, codex_peer.PeerScript(version=told)),
)
OPENCODE = Cli(
    OpenCodeBackend,
    "opencode",
    "1.18 or newer, and older than 2",
    lambda folder, told: opencode_peer.binary(folder, opencode_peer.PeerScript(version=told)),
)


def on_path(place: Place, folder: Path, cli: Cli, binary: Path) -> Backend:
    """One that finds it by its name, as users have it."""
    (folder / "bin").mkdir()
    (folder / "bin" / cli.program).symlink_to(binary)
    path = f"{folder / 'bin'}{os.pathsep}{place.env['PATH']}"
    return cli.kind.create(place.context(env={"PATH": path}))


def executable(folder: Path, script: str) -> Path:
    path = folder / "fake"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


@pytest.mark.parametrize(
    ("cli", "version"),
    [
        (CLAUDE, "2.1.200"),
        (CLAUDE, "1.0.128"),
        (CLAUDE, "3.0.0"),
        (CODEX, "0.98.0"),
        (CODEX, "1.0.0"),
        (OPENCODE, "0.15.3"),
        (OPENCODE, "1.17.9"),
        (OPENCODE, "2.0.0"),
    ],
)
async def test_a_cli_of_another_version_is_not_used(
    place: Place, tmp_path: Path, cli: Cli, version: str
) -> None:
    """Though it starts: which one it is, which ones do, and the command that installs one."""
    backend = on_path(place, tmp_path, cli, cli.speaking(tmp_path, version))
    said = rf"{cli.program} {version} is not supported: {cli.supported}, is needed; `npm install"
    with pytest.raises(BackendUnusable, match=said):
        await backend.start()
    assert not place.alive()


@pytest.mark.parametrize(
    ("cli", "version"),
    [(CLAUDE, "1.0.128 (Claude Code)"), (CODEX, "codex-cli 0.98.0"), (OPENCODE, "0.15.3")],
)
async def test_a_cli_too_old_to_start_is_told_as_that(
    place: Place, tmp_path: Path, cli: Cli, version: str
) -> None:
    """One that knows none of the options it is started with still knows its version.

    It is asked without the credentials of the agent.
    """
    asked = f"env > {tmp_path / 'env'}; echo '{version}'; exit"
    fake = executable(tmp_path, f'[ "$1" = --version ] && {{ {asked}; }}\necho unknown >&2; exit 2')
    place.env |= {"ANTHROPIC_API_KEY": "sk-model", "OPENAI_API_KEY": "sk-model"}
    backend = on_path(place, tmp_path, cli, fake)
    with pytest.raises(BackendUnusable, match=rf"is not supported: {cli.supported}, is needed"):
        await backend.start()
    assert not place.alive()
    assert "sk-model" not in (tmp_path / "env").read_text()


@pytest.mark.parametrize(
    ("cli", "version"),
    [(CLAUDE, "2.1.329 (Claude Code)"), (CODEX, "codex-cli 0.169.0"), (OPENCODE, "1.18.33")],
)
async def test_a_supported_cli_that_does_not_start_says_why(
    place: Place, tmp_path: Path, cli: Cli, version: str
) -> None:
    """Its version is not blamed for what it says itself."""
    broken = "echo the disk is full >&2; exit 2"
    fake = executable(tmp_path, f"[ \"$1\" = --version ] && echo '{version}' && exit\n{broken}")
    backend = on_path(place, tmp_path, cli, fake)
    with pytest.raises(BackendUnusable, match=r"did not start: .*exited with code 2.*disk is full"):
        await backend.start()
    assert not place.alive()


async def test_an_agent_of_another_protocol_is_not_used(place: Place, tmp_path: Path) -> None:
    """What it is, what it speaks, what is needed, and what can be done."""
    script = acp_peer.PeerScript(version=2)
    options = {"FORGE_ACP_COMMAND": acp_peer.command(tmp_path, script)}
    backend = AcpBackend.create(place.context(options=options))
    said = (
        r"\(peer 0\.9\) speaks version 2 of the Agent Client Protocol; 1 is needed: install a "
        r"version of it that speaks that, or set FORGE_ACP_COMMAND"
    )
    with pytest.raises(BackendUnusable, match=said):
        await backend.start()
    assert not place.alive()
