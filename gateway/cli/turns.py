"""`forge turns`: what became of an agent's turns."""

import asyncio
import json
from collections.abc import Sequence

import click

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.table import print_facts, print_table

_COLUMNS = (
    "request_id",
    "state",
    "outcome",
    "delivery",
    "first_seq",
    "last_seq",
    "acknowledged_seq",
    "rejected_seqs",
    "attempts",
    "next_attempt_at",
    "last_error",
)


@click.command()
@click.argument("agent")
@click.argument("turn", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a turn.")
@connected
def turns(connection: Connection, agent: str, turn: str | None, as_json: bool) -> None:
    """Show the turns of AGENT, oldest first, or all that is known of TURN.

    `delivery` says how their webhooks go: none (no webhook), pending, parked
    (waits for the next attempt), delivered (but for `rejected_seqs`, which the
    receiver refused), or abandoned (given up). `forge redeliver` begins anew.

    \b
    Examples:
      forge turns 3f2a
      forge turns 3f2a req_0123456789abcdef
      forge turns 3f2a --json | jq 'select(.delivery == "parked")'
    """

    async def call() -> Sequence[JSON]:
        async with Api(connection) as api:
            return [await api.get_turn(agent, turn)] if turn else await api.list_turns(agent)

    found = asyncio.run(call())
    if as_json:
        for one in found:
            click.echo(json.dumps(one))
    elif turn:
        print_facts(found[0])
    elif found:
        print_table(_COLUMNS, found)
    else:
        click.echo("no turns yet; `forge send AGENT TEXT` makes one", err=True)
