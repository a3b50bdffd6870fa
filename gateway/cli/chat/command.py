"""The command."""

import asyncio
import sys

import click
from prompt_toolkit.utils import is_dumb_terminal

from gateway.cli.api import Api
from gateway.cli.chat.conversation import Conversation
from gateway.cli.chat.face import Face
from gateway.cli.chat.inputs import Inputs, inputs_file
from gateway.cli.chat.pipe import Pipe
from gateway.cli.chat.terminal import Terminal
from gateway.cli.connection import Connection, connected


@click.command()
@click.argument("agent")
@connected
def chat(connection: Connection, agent: str) -> None:
    """Talk with AGENT: what is typed is a message, what it does is shown as it comes.

    A message that is typed while a turn runs waits for it; /now TEXT goes into
    the running turn, or in its place. What the agent asks is answered in place:
    y (once), a (always) or n (no, and why) for a permission, a number or a text
    for a question. Tools take one line each.

    Enter sends, Alt-Enter begins another line. Ctrl-C interrupts the running
    turn, pressed again it leaves; Ctrl-D leaves, too: what runs goes on then, and
    the next `forge chat` shows it. /help lists what else can be typed: /model,
    /mode, /attach, /history, /diff, /new and more.

    Where input or output is no terminal, each line of standard input is a
    message, sent when the turn before it has ended.

    \b
    Examples:
      forge chat 3f2a
      forge chat 3f2a < questions.txt
    """
    sys.exit(asyncio.run(_talk(connection, agent)))


async def _talk(connection: Connection, agent: str) -> int:
    async with Api(connection) as api:
        return await Conversation(api, agent, _face()).run()


def _face() -> Face:
    drawable = sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb_terminal()
    return Terminal(Inputs(inputs_file())) if drawable else Pipe()
