"""`forge agents`: create, list, get, delete."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.ctrl_c import EXIT_STATUS, unless_pressed
from gateway.cli.printable import printable
from gateway.cli.seconds import SECONDS
from gateway.cli.starting import Starting
from gateway.cli.table import print_facts, print_table

_COLUMNS = ("agent_id", "user_id", "backend", "phase", "ready", "created_at")


@click.group()
def agents() -> None:
    """Agents: one sandbox and one conversation each.

    \b
    Example:
      forge agents create --backend command
      forge agents list
    """


@agents.command()
@click.option("--backend", default="", help="What drives it; else the gateway's default.")
@click.option("--model", default="", help="In the backend's own form, such as provider/model.")
@click.option(
    "--permission-mode",
    type=click.Choice(["default", "acceptEdits", "bypassPermissions"]),
    default=None,
    help="What it may do without being asked.",
)
@click.option(
    "--env",
    multiple=True,
    metavar="K[=V]",
    help="Variable of its environment; without =V taken from yours, unseen by others.",
)
@click.option("--label", multiple=True, metavar="K=V", help="Kept with the agent.")
@click.option(
    "--timeout",
    "timeout_s",
    type=SECONDS,
    default=60.0,
    show_default="60s",
    help="An agent that is not ready by then is deleted again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the agent as JSON.")
@connected
def create(
    connection: Connection,
    backend: str,
    model: str,
    permission_mode: str | None,
    env: Sequence[str],
    label: Sequence[str],
    timeout_s: float,
    as_json: bool,
) -> None:
    """Make an agent, wait until it is ready, print its id.

    What keeps it from being ready is shown as it comes: scheduling, its image,
    its container. One that cannot be started is deleted again. Ctrl-C stops
    the waiting only: the agent is there and goes on starting.

    \b
    Examples:
      AGENT=$(forge agents create)
      forge agents create --backend opencode --model anthropic/claude-sonnet-4-5 \\
          --env ANTHROPIC_API_KEY --label team=search
    """

    spec: dict[str, Any] = {
        "backend": backend,
        "model": model,
        "permission_mode": permission_mode or "",
        "env": dict(_variable(pair) for pair in env),
        "labels": dict(_pair(pair, "--label") for pair in label),
    }
    began_s = time.monotonic()
    agent = asyncio.run(_started(connection, spec, timeout_s))
    if agent is None:
        sys.exit(EXIT_STATUS)
    if as_json:
        click.echo(json.dumps(agent))
        return
    took_s = time.monotonic() - began_s
    click.echo(printable(str(agent.get("agent_id"))))
    click.echo(printable(f"{agent.get('backend', 'agent')}, ready in {took_s:.1f} s"), err=True)


async def _started(connection: Connection, spec: Mapping[str, Any], limit_s: float) -> JSON | None:
    """Ready; None when Ctrl-C has ended the wait, which is told."""
    async with Api(connection) as api:
        starting = Starting(api, tell=_tell, limit_s=limit_s)

        async def start() -> JSON:
            return await starting.until_ready(await api.create_agent(**spec, wait=False))

        agent = await unless_pressed(start())
    if agent is None and starting.agent_id:
        _tell(
            f"{starting.agent_id} goes on starting; `forge agents get` shows it, "
            "`forge agents delete` removes it"
        )
    return agent


def _tell(words: str) -> None:
    click.echo(printable(words), err=True)


@agents.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line an agent.")
@connected
def list_agents(connection: Connection, as_json: bool) -> None:
    """Show the owner's agents, oldest first.

    \b
    Examples:
      forge agents list
      forge agents list --user ada --json | jq -r .agent_id
    """

    async def call() -> Sequence[JSON]:
        async with Api(connection) as api:
            return await api.list_agents()

    found = asyncio.run(call())
    if as_json:
        for agent in found:
            click.echo(json.dumps(agent))
        return
    if not found:
        click.echo("no agents; make one with `forge agents create`", err=True)
        return
    print_table(_COLUMNS, found)


@agents.command()
@click.argument("agent")
@click.option("--grpc", is_flag=True, help="Print address and token for direct gRPC clients.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connected
def get(connection: Connection, agent: str, grpc: bool, as_json: bool) -> None:
    """Show AGENT and what it is doing now.

    \b
    Examples:
      forge agents get 3f2a
      forge agents get 3f2a --grpc
    """

    async def call() -> JSON:
        async with Api(connection) as api:
            return await (api.grpc_token(agent) if grpc else api.get_agent(agent))

    facts = asyncio.run(call())
    if as_json:
        click.echo(json.dumps(facts))
        return
    print_facts(facts)


@agents.command()
@click.argument("agent")
@click.option("--graceful", is_flag=True, help="Let the running turn end first (10 s at most).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connected
def delete(connection: Connection, agent: str, graceful: bool, as_json: bool) -> None:
    """Remove AGENT. Open turns end as interrupted, and that is still delivered.

    \b
    Example:
      forge agents delete 3f2a --graceful
    """

    async def call() -> None:
        async with Api(connection) as api:
            await api.delete_agent(agent, graceful=graceful)

    asyncio.run(call())
    told = json.dumps({"agent_id": agent, "deleted": True}) if as_json else f"deleted {agent}"
    click.echo(printable(told))


def _variable(pair: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if equals:
        return name, value
    if name not in os.environ:
        raise click.BadParameter(f"{name} is not set here; give {name}=VALUE", param_hint="--env")
    return name, os.environ[name]


def _pair(pair: str, option: str) -> tuple[str, str]:
    name, equals, value = pair.partition("=")
    if not equals:
        raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint=option)
    return name, value
