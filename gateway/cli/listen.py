"""`forge listen`: a receiver that verifies and shows."""

import asyncio
import json

import click

from gateway.cli.ctrl_c import unless_pressed
from gateway.cli.errors import Silence
from gateway.cli.jsonlines import JsonLines
from gateway.cli.receiver import HOST, Receiver, receiving
from gateway.cli.screen import PlainConsole, Screen
from gateway.cli.transcript import Transcript

DEFAULT_PORT = 8090
_LONGEST_WAIT_S = 3600.0


@click.command()
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    help="Address to listen on; 0.0.0.0 lets others send, as in a container.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    show_default=True,
    help="TCP port; 0 picks a free one.",
)
@click.option(
    "--secret",
    envvar="FORGE_WEBHOOK_SECRET",
    default="",
    help="What the gateway signs with [FORGE_WEBHOOK_SECRET]; else a new one, which is shown.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the payloads as JSON lines.")
def listen(host: str, port: int, secret: str, as_json: bool) -> None:
    """Receive webhooks on this machine, verify and show them until Ctrl-C.

    What the secret did not sign is answered with 401 and shown as refused. An
    event that comes again is shown once.

    \b
    Examples:
      forge listen
      FORGE_WEBHOOK_SECRET=whsec_... forge listen --port 9000 --json
    """
    screen = JsonLines() if as_json else Transcript(PlainConsole(), named=True)
    asyncio.run(unless_pressed(_listen(host, port, secret, screen)))


async def _listen(host: str, port: int, secret: str, screen: Screen) -> None:
    async with receiving(secret=secret, port=port, host=host) as receiver:
        _introduce(receiver, secret_is_ours=not secret)
        await show_all(receiver, screen)


async def show_all(receiver: Receiver, screen: Screen) -> None:
    """Whatever arrives, until this is cancelled."""
    while True:
        try:
            screen.arrived(await receiver.next(timeout_s=_LONGEST_WAIT_S))
        except Silence:
            continue


def _introduce(receiver: Receiver, *, secret_is_ours: bool) -> None:
    """On stderr, so that stdout holds nothing but what has been received."""
    click.echo(f"listening on {receiver.url} (Ctrl-C ends)", err=True)
    if not secret_is_ours:
        return
    target = {"webhook_url": receiver.url, "webhook_secret": receiver.secret}
    click.echo(f"send messages with {json.dumps(target)[1:-1]}", err=True)
    click.echo(
        f"or: forge send AGENT TEXT --webhook {receiver.url} --secret {receiver.secret}", err=True
    )
