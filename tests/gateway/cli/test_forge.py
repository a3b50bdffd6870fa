"""The group: help that teaches, the version, completion, and what `--help` does not load."""

import asyncio
import subprocess
import sys
from importlib.metadata import version

import click
import pytest

from gateway.cli import main
from gateway.cli.forge import LazyGroup
from tests.gateway.cli.command import environment, forge

INNER = ["agents create", "agents list", "agents get", "agents delete", "keys new"]


@pytest.mark.parametrize("command", [*LazyGroup.summaries, *INNER])
async def test_help_teaches_with_an_example(command: str) -> None:
    """--help of everything says what it is for and how a call looks."""
    ended = await forge(*command.split(), "--help", env={})
    assert (ended.status, ended.err) == (0, "")
    assert "Example" in ended.out
    assert f"forge {command}" in ended.out.partition("Example")[2]


async def test_group_lists_all_commands_and_version() -> None:
    """`forge --help` names every command; `--version` is the distribution's."""
    ended = await forge("--help", env={})
    assert all(f"  {name} " in ended.out for name in LazyGroup.summaries)
    told = await forge("--version", env={})
    assert told.out == f"forge, version {version('forge-gateway')}\n"


async def test_unknown_command_is_a_usage_error() -> None:
    """A typo ends with 2 and no traceback."""
    ended = await forge("snd", env={})
    assert ended.status == 2
    assert "No such command" in ended.err


def test_help_loads_nothing_heavy() -> None:
    """`forge --help` stays quick: it imports click and none of what commands need."""
    heavy = {"httpx", "rich", "uvicorn", "starlette", "grpc", "msgspec", "aiohttp"}
    script = (
        "import sys\nfrom gateway.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        f"print('loaded:', sorted({heavy!r} & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment({}),
        timeout=30,
    )
    assert told.stdout.endswith("loaded: []\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion_scripts(shell: str) -> None:
    """Each shell gets a script that asks `forge` for completions."""
    ended = await forge("completion", shell, env={})
    assert ended.status == 0
    assert "_FORGE_COMPLETE" in ended.out


async def test_completion_completes() -> None:
    """What the script asks is answered with the commands that fit."""
    asked = {"_FORGE_COMPLETE": "bash_complete", "COMP_WORDS": "forge a", "COMP_CWORD": "1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from gateway.cli import main; main(prog_name='forge')",
        env=environment(asked),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out.decode() == "plain,agents\n"


def test_group_is_importable_without_effects() -> None:
    """The entry point is the group itself."""
    assert isinstance(main, click.Group)
