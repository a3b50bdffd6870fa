"""`forge serve`: run a gateway."""

import os
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop

from gateway import app
from gateway.cli.errors import Trouble
from gateway.errors import GatewayError
from gateway.settings import Settings


@click.command()
@click.option("--host", default=None, help="Address to listen on [FORGE_HOST].")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=None, help="TCP port; 0: a free one [PORT]."
)
@click.option(
    "--keys",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="File of API keys [FORGE_KEYS_FILE].",
)
def serve(host: str | None, port: int | None, keys: Path | None) -> None:
    """Run a gateway until SIGTERM or Ctrl-C.

    Settings come from the environment; options win over it. Its first line
    says where it listens. Agents outlive it: the next gateway takes them over.
    A second signal ends it at once.

    \b
    Examples:
      forge serve
      forge serve --port 9000 --keys keys --host 0.0.0.0
    """
    given: dict[str, Any] = {"host": host, "port": port, "keys_file": keys}
    options = {name: value for name, value in given.items() if value is not None}
    try:
        settings = msgspec.structs.replace(Settings.from_env(os.environ), **options)
        uvloop.run(app.serve(settings, _announce))
    except GatewayError as error:
        raise Trouble(str(error)) from error


def _announce(gateway: app.Gateway) -> None:
    click.echo(f"listening on {gateway.url}")
