"""forge serve, and the other commands against the gateway that it runs."""

import asyncio
import contextlib
import json
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.cli.command import CTRL_C, end, forge, start, terminal
from tests.gateway.cli.leftovers import end_runtimes_of


@contextlib.asynccontextmanager
async def serving(env: dict[str, str], *options: str) -> AsyncIterator[tuple[Process, str]]:
    """A gateway process and its URL, from its first line."""
    process = await start("serve", *options, env=env)
    try:
        assert process.stdout
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("listening on http://127.0.0.1:"), await _said(process)
        yield process, line.split()[2]
    finally:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), 20)
        await end(process)
        end_runtimes_of(env["FORGE_STATE_DIR"])


async def _said(process: Process) -> str:
    assert process.stderr
    return (await process.stderr.read()).decode()


async def keys_read(url: str, key: str) -> None:
    """Wait until the gateway has seen that its keys file changed (it looks once a second)."""
    env = {"FORGE_URL": url, "FORGE_API_KEY": key, "FORGE_USER": "ada"}
    async with asyncio.timeout(10):
        while (await forge("agents", "list", env=env)).status != 0:
            pass


async def test_whole_session(machine: dict[str, str]) -> None:
    """Create, send, list, get and delete work together against a real gateway and agent."""
    async with serving(machine) as (process, url):
        env = machine | {"FORGE_URL": url}
        created = await forge("agents", "create", "--backend", "command", env=env)
        assert created.status == 0, created.err
        agent = created.out.strip()
        sent = await forge("send", agent, "echo one; sleep 0.1; echo two", env=env)
        assert sent.status == 0, sent.err
        assert sent.out.splitlines()[:2] == ["one", "two"]
        failed = await forge("send", agent, "echo bad >&2; exit 3", "--json", env=env)
        assert failed.status == 1
        assert json.loads(failed.out.splitlines()[-1])["outcome"] == "failed"
        assert agent in (await forge("agents", "list", env=env)).out
        assert "idle" in (await forge("agents", "get", agent, env=env)).out
        direct = await forge("agents", "get", agent, "--grpc", "--json", env=env)
        assert set(json.loads(direct.out)) == {"address", "token"}
        assert (await forge("agents", "delete", agent, env=env)).status == 0
        missing = await forge("agents", "get", agent, env=env)
        assert missing.status == 1
        assert "Traceback" not in missing.err
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)
        assert process.returncode == 0


async def test_ctrl_c_ends_a_real_turn(machine: dict[str, str]) -> None:
    """Ctrl-C in a terminal reaches the agent: its turn ends as interrupted."""
    async with serving(machine) as (_, url):
        env = machine | {"FORGE_URL": url}
        agent = (await forge("agents", "create", "--backend", "command", env=env)).out.strip()
        async with terminal("send", agent, "echo begun; sleep 60", env=env) as shown:
            await shown.until("begun")
            shown.press(CTRL_C)
            assert await shown.ended() == 130
            await shown.until("interrupted in")
        await forge("agents", "delete", agent, env=env)


async def test_interrupt_ends_a_turn_of_another_terminal(machine: dict[str, str]) -> None:
    """`forge interrupt` ends what `forge send` watches: both see their finals."""
    async with serving(machine) as (_, url):
        env = machine | {"FORGE_URL": url}
        agent = (await forge("agents", "create", "--backend", "command", env=env)).out.strip()
        async with terminal("send", agent, "echo begun; sleep 60", env=env) as shown:
            await shown.until("begun")
            assert (await forge("interrupt", agent, env=env)).status == 0
            assert await shown.ended() == 130
        await forge("agents", "delete", agent, env=env)


async def test_keys_are_enforced(machine: dict[str, str], tmp_path: Path) -> None:
    """A key made by `forge keys` opens the gateway that was given the file, no other does."""
    keys = tmp_path / "keys"
    made = await forge("keys", "new", "ci", "--owner", "ada", "--file", str(keys), env=machine)
    async with serving(machine, "--keys", str(keys)) as (_, url):
        env = {"FORGE_URL": url}
        refused = await forge("agents", "list", env=env)
        assert refused.status == 1
        assert "set FORGE_API_KEY" in refused.err
        allowed = await forge("agents", "list", env=env | {"FORGE_API_KEY": made.out.strip()})
        assert allowed.status == 0, allowed.err
        shared = await forge("keys", "new", "all", "--owner", "*", "--file", str(keys), env=machine)
        await keys_read(url, shared.out.strip())
        asked = await forge("agents", "create", env=env | {"FORGE_API_KEY": shared.out.strip()})
        assert asked.status == 1
        assert "give --user" in asked.err


@pytest.mark.parametrize(
    ("options", "env", "named"),
    [
        ((), {"PORT": "high"}, "PORT"),
        (("--host", "0.0.0.0"), {}, "forge keys new"),
        (("--keys", "/dev/null"), {}, "forge keys new"),
    ],
)
async def test_wrong_settings_are_a_sentence(
    machine: dict[str, str], options: tuple[str, ...], env: dict[str, str], named: str
) -> None:
    """A setting that cannot be used is named in one line, with status 1 or 2."""
    ended = await forge("serve", *options, env=machine | env)
    assert ended.status in (1, 2)
    assert named in ended.err
    assert "Traceback" not in ended.err


async def test_taken_port_is_a_sentence(machine: dict[str, str]) -> None:
    """A port in use ends the command with the port named, and no traceback."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = str(bound.getsockname()[1])
        ended = await forge("serve", "--port", port, env=machine)
    assert ended.status == 1
    assert port in ended.err
    assert "Traceback" not in ended.err
