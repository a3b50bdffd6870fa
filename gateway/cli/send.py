"""`forge send`: one message, and its turn to the end."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.api import JSON, Api
from gateway.cli.connection import Connection, connected
from gateway.cli.ctrl_c import EXIT_STATUS, ctrl_c
from gateway.cli.errors import Trouble
from gateway.cli.follower import Follower
from gateway.cli.jsonlines import JsonLines
from gateway.cli.localfile import LocalFile, read_file, wire_of
from gateway.cli.printable import printable
from gateway.cli.screen import PlainConsole, Screen
from gateway.cli.seconds import SECONDS
from gateway.cli.transcript import Transcript
from gateway.cli.turn import interrupting

_TEXT_LIMIT_BYTES = 16 * 1024 * 1024


@click.command()
@click.argument("agent")
@click.argument("text")
@click.option(
    "--attach",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An image, PDF or text for the model to see; may be given several times.",
)
@click.option("--webhook", metavar="URL", default="", help="Post the events there and do not wait.")
@click.option(
    "--secret",
    envvar="FORGE_WEBHOOK_SECRET",
    default="",
    help="What webhooks are signed with [FORGE_WEBHOOK_SECRET].",
)
@click.option(
    "--request-id", metavar="ID", default="", help="Name of the turn; repeating it is safe."
)
@click.option("--timeout", type=SECONDS, help="Limit of the turn's running time, as 90s or 10m.")
@click.option("--json", "as_json", is_flag=True, help="Print the payloads as JSON lines.")
@connected
def send(
    connection: Connection,
    agent: str,
    text: str,
    attach: Sequence[Path],
    webhook: str,
    secret: str,
    request_id: str,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Send AGENT the message TEXT (- reads it from standard input).

    Without --webhook the turn is shown here to its end, as its events are read
    back: exit status 0 when it completed, 1 when it failed, timed out or was
    lost, 130 when it was interrupted. Ctrl-C interrupts the turn; pressed again
    it leaves at once. A --request-id that was used before shows that turn.

    \b
    Examples:
      forge send 3f2a "What is in this folder?"
      git diff | forge send 3f2a - --timeout 5m
      forge send 3f2a "What is wrong here?" --attach screen.png --attach app.log
    """
    files = [_read(path) for path in attach]
    message: JSON = {
        "content": _content(text),
        "request_id": request_id,
        "timeout_s": timeout,
        **wire_of(files),
    }
    if webhook:
        message |= {"webhook_url": webhook, "webhook_secret": secret}
        asyncio.run(_hand_over(connection, agent, message, as_json))
        return
    screen = JsonLines() if as_json else Transcript(PlainConsole(), named=False)
    sys.exit(asyncio.run(_watch(connection, agent, message, screen)))


async def _hand_over(connection: Connection, agent: str, message: JSON, as_json: bool) -> None:
    async with Api(connection) as api:
        answer = await api.send(agent, message)
    if as_json:
        click.echo(json.dumps(answer))
        return
    again = " before" if answer.get("replayed") else ""
    click.echo(printable(f"{answer.get('request_id')} accepted{again}"))


async def _watch(connection: Connection, agent: str, message: JSON, screen: Screen) -> int:
    try:
        with ctrl_c() as pressed:
            async with Api(connection) as api:
                answer = await api.send(agent, message)
                turn = (agent, str(answer.get("request_id", "")))
                screen.started(turn)
                async with interrupting(turn, pressed, api=api):
                    final = await Follower(api, agent, screen=screen, turn=turn[1]).run()
    except asyncio.CancelledError:  # the second Ctrl-C
        return EXIT_STATUS
    return {"completed": 0, "interrupted": EXIT_STATUS}.get(final.outcome, 1)


def _read(path: Path) -> LocalFile:
    """Tells what it is taken for: the type is a guess."""
    file = read_file(path)
    click.echo(printable(f"attached {file.told}"), err=True)
    return file


def _content(text: str) -> str:
    if text != "-":
        return text
    content = sys.stdin.buffer.read(_TEXT_LIMIT_BYTES + 1)
    if len(content) > _TEXT_LIMIT_BYTES:
        raise Trouble(f"standard input has more than {_TEXT_LIMIT_BYTES} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Trouble("standard input is not UTF-8 text") from error
