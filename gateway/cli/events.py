"""`forge events`: what an agent's journal holds, and what comes."""

import asyncio

import click

from gateway.cli.api import Api
from gateway.cli.connection import Connection, connected
from gateway.cli.ctrl_c import unless_pressed
from gateway.cli.eventlines import EventLines
from gateway.cli.follower import Follower
from gateway.cli.jsonlines import JsonLines
from gateway.cli.receiver import Arrival
from gateway.cli.screen import PlainConsole, Screen


@click.command()
@click.argument("agent")
@click.option("--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--after",
    type=click.IntRange(min=0),
    metavar="SEQ",
    default=None,
    help="Only events after this seq; else from the oldest that is kept.",
)
@click.option(
    "--turn", metavar="ID", default="", help="Of this turn only; --follow ends with its final."
)
@click.option("--json", "as_json", is_flag=True, help="Print the payloads as JSON lines.")
@connected
def events(
    connection: Connection, agent: str, follow: bool, after: int | None, turn: str, as_json: bool
) -> None:
    """Show the events of AGENT, as its journal has them; no webhook is needed.

    A stream that breaks off is taken up again after the last event, for a
    minute. Events that are not kept any more end it with an error.

    \b
    Examples:
      forge events 3f2a
      forge events 3f2a --follow --turn req_0123456789abcdef
      forge events 3f2a --after 41 --json | jq .kind
    """
    screen = JsonLines() if as_json else EventLines(PlainConsole())
    show = _follow if follow else _show
    asyncio.run(unless_pressed(show(connection, agent, turn, after, screen)))


async def _show(
    connection: Connection, agent: str, turn: str, after: int | None, screen: Screen
) -> None:
    more = True
    async with Api(connection) as api:
        while more:
            page = await api.list_events(agent, turn=turn, after=after)
            for payload in page.events:
                screen.arrived(Arrival.read_back(bytes(payload))[0])
            more, after = page.more, page.next_after_seq


async def _follow(
    connection: Connection, agent: str, turn: str, after: int | None, screen: Screen
) -> None:
    async with Api(connection) as api:
        await api.get_agent(agent)  # what is wrong from the beginning is no break to sit out
        await Follower(api, agent, screen=screen, turn=turn, after=after).run()
