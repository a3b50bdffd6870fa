"""`forge interrupt`: end a turn."""

import asyncio
import json
import sys

import click

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.follower import Follower
from gateway.cli.jsonlines import JsonLines
from gateway.cli.printable import printable
from gateway.cli.screen import PlainConsole, Screen
from gateway.cli.transcript import Transcript


@click.command()
@click.argument("agent")
@click.option("--turn", metavar="ID", default="", help="The turn; else the one that runs now.")
@click.option("--webhook", metavar="URL", default="", help="Post the final there and do not wait.")
@click.option(
    "--secret",
    envvar="FORGE_WEBHOOK_SECRET",
    default="",
    help="What the webhook is signed with [FORGE_WEBHOOK_SECRET].",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines.")
@connected
def interrupt(
    connection: Connection, agent: str, turn: str, webhook: str, secret: str, as_json: bool
) -> None:
    """End the running turn of AGENT, or the one named by --turn.

    A queued turn ends without having run. The turn's own final says
    "interrupted" and goes to the turn's receiver; the interrupt has a final of
    its own, which is shown here.

    \b
    Examples:
      forge interrupt 3f2a
      forge interrupt 3f2a --turn req_0123456789abcdef
    """
    order: JSON = {"target": turn}
    if webhook:
        order |= {"webhook_url": webhook, "webhook_secret": secret}
        asyncio.run(_hand_over(connection, agent, order, as_json))
        return
    screen = JsonLines() if as_json else Transcript(PlainConsole(), named=False)
    sys.exit(asyncio.run(_watch(connection, agent, order, screen)))


async def _hand_over(connection: Connection, agent: str, order: JSON, as_json: bool) -> None:
    async with Api(connection) as api:
        answer = await api.interrupt(agent, order)
    told = json.dumps(answer) if as_json else f"{answer.get('request_id')} accepted"
    click.echo(printable(told))


async def _watch(connection: Connection, agent: str, order: JSON, screen: Screen) -> int:
    async with Api(connection) as api:
        answer = await api.interrupt(agent, order)
        own_turn = (agent, str(answer.get("request_id", "")))
        screen.started(own_turn)
        final = await Follower(api, agent, screen=screen, turn=own_turn[1]).run()
    return 0 if final.outcome == "completed" else 1
