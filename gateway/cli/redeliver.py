"""`forge redeliver`: a turn's webhooks once more."""

import asyncio
import json
import sys

import click
from click.core import ParameterSource

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.errors import Trouble
from gateway.cli.printable import printable

_STDIN = "-"


@click.command()
@click.argument("agent")
@click.argument("turn")
@click.option(
    "--from",
    "from_seq",
    type=click.IntRange(min=1),
    metavar="SEQ",
    default=None,
    help="The first event; else the first that is not delivered or was rejected.",
)
@click.option("--webhook", metavar="URL", default="", help="Post them there from now on.")
@click.option(
    "--secret",
    envvar="FORGE_WEBHOOK_SECRET",
    default="",
    help="What they are signed with from now on; - reads it from standard input "
    "[with --webhook: FORGE_WEBHOOK_SECRET].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@connected
def redeliver(
    connection: Connection,
    agent: str,
    turn: str,
    from_seq: int | None,
    webhook: str,
    secret: str,
    as_json: bool,
) -> None:
    """Deliver the events of TURN of AGENT again, also after they were given up.

    Receivers see the ids of the first time. Without --webhook they go where
    they went, signed with --secret if that is given, else as before. Of a turn
    that has been delivered, --from says from where to begin again.

    \b
    Examples:
      forge redeliver 3f2a req_0123456789abcdef
      forge redeliver 3f2a req_0123456789abcdef --from 1 --webhook https://app.example.com/hook
      forge redeliver 3f2a req_0123456789abcdef --secret - < new-secret
    """
    source = click.get_current_context().get_parameter_source("secret")
    order: JSON = {"from_seq": from_seq, "webhook_url": webhook}
    # One that just stands in the environment changes no target that nobody names.
    if webhook or source is ParameterSource.COMMANDLINE:
        order["webhook_secret"] = sys.stdin.readline().strip() if secret == _STDIN else secret

    async def call() -> JSON:
        async with Api(connection) as api:
            if from_seq is None:
                _refuse_nothing(await api.get_turn(agent, turn))
            return await api.redeliver(agent, turn, order)

    answer = asyncio.run(call())
    told = f"{turn} is delivered again (generation {answer.get('generation')})"
    click.echo(printable(json.dumps(answer) if as_json else told))


def _refuse_nothing(turn: JSON) -> None:
    """Raises Trouble where no event is left that is not delivered or was rejected."""
    if turn.get("delivery") == "delivered" and not turn.get("rejected_seqs"):
        raise Trouble(
            "every event of this turn has been delivered; "
            f"--from {turn.get('first_seq')} delivers all of them again"
        )
