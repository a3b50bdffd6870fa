"""`forge diff`: what an agent has changed in its workspace."""

import asyncio
import json

import click

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.difflines import print_diff


@click.command()
@click.argument("agent")
@click.option("--turn", metavar="ID", default="", help="Only what this turn has changed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connected
def diff(connection: Connection, agent: str, turn: str, as_json: bool) -> None:
    """Show what AGENT has changed since it first saw its workspace.

    Piped, it is a patch for `git apply` or `patch -p1`. What git ignores there, large
    files and the content of binary ones are not in it; notes about that go to standard
    error.

    \b
    Examples:
      forge diff 3f2a
      forge diff 3f2a --turn req_0123456789abcdef
      forge diff 3f2a | git -C ~/project apply
      forge diff 3f2a --json | jq -r '.files[].path'
    """

    async def call() -> JSON:
        async with Api(connection) as api:
            return await api.get_diff(agent, turn=turn)

    told = asyncio.run(call())
    if as_json:
        click.echo(json.dumps(told))
    else:
        print_diff(told)
