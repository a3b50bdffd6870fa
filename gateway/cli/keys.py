"""`forge keys`: API keys for the gateway's keys file, and the gateway's own keys."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from gateway import rotation
from gateway.cli.errors import Trouble
from gateway.errors import BadRequest, GatewayError
from gateway.http import apikeys
from gateway.settings import Settings


@click.group()
def keys() -> None:
    """API keys, which callers show to a gateway, and the gateway's own keys.

    \b
    Examples:
      forge keys new backend --owner ada --file keys
      FORGE_KEYS_FILE=keys forge serve
      forge keys rotate
      forge keys gateway
    """


@keys.command()
@click.argument("name")
@click.option("--owner", "owners", multiple=True, required=True, help="Whose agents; * for all.")
@click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append the line to this keys file; it is made when absent.",
)
def new(name: str, owners: Sequence[str], path: Path | None) -> None:
    """Make an API key called NAME and print it, this once.

    A keys file (FORGE_KEYS_FILE) holds no key, only its hash and owners; the
    gateway takes a changed file by itself.

    \b
    Examples:
      forge keys new backend --owner ada
      forge keys new operator --owner '*' --file /etc/forge/keys
    """
    try:
        key, line = apikeys.new_key(name, owners)
    except BadRequest as error:
        raise click.UsageError(str(error)) from error
    if path is None:
        click.echo(f"key   {key}\nline  {line}")
        click.echo("put the line into the gateway's FORGE_KEYS_FILE; keep the key", err=True)
        return
    _append(path, line)
    click.echo(key)
    click.echo(f"its line is in {path}; this key is not shown again", err=True)


@keys.command()
def gateway() -> None:
    """Make a gateway key for a Secret and print its line, this once.

    In a cluster the gateway's own keys are lines of the Secret behind
    FORGE_GATEWAY_KEYS_FILE: the first one seals webhook secrets and makes
    agents' tokens, the others still open what they sealed. Add a new one at
    the end, and move it to the front when every gateway has read it.

    \b
    Example:
      forge keys gateway >> keys
      kubectl create secret generic forge-gateway-keys --from-file=keys
    """
    click.echo(rotation.line())


@keys.command()
@click.option("--use", metavar="ID", default="", help="Seal with this key from now on.")
@click.option("--remove", metavar="ID", default="", help="Take this key out.")
def rotate(use: str, remove: str) -> None:
    """Rotate the gateway's own keys, which seal webhook secrets and make agents' tokens.

    \b
    Three steps, on the machine whose FORGE_STATE_DIR the gateways share:
      1. forge keys rotate              adds a key: it opens, and seals nothing yet
      2. forge keys rotate --use ID     makes it the current one
      3. forge keys rotate --remove ID  takes an old one out, days later

    Gateways that run see each step within a second, without a restart. Where
    copies of the file are used, hand the new one to every gateway before the
    next step. New messages are sealed with the current key, and new agents get
    their tokens from it; agents that exist keep the one they were made under,
    so it cannot be removed before they are deleted. Deliveries that were sealed
    with a removed key and are still waiting cannot be made any more: wait as
    long as they are retried (a day, unless WEBHOOK_RETRY_FOR says otherwise).
    """
    if use and remove:
        raise click.UsageError("--use and --remove are two steps; give one of them")
    try:
        settings = Settings.from_env(os.environ)
        if use:
            key_ids = rotation.use(settings, use)
        elif remove:
            key_ids = rotation.remove(settings, remove)
        else:
            key_ids = rotation.add(settings)
    except GatewayError as error:
        raise Trouble(str(error)) from error
    for number, key_id in enumerate(key_ids):
        click.echo(f"{key_id}  {'opens' if number else 'current'}")
    if not use and not remove:
        click.echo(f"next: forge keys rotate --use {key_ids[-1]}", err=True)


def _append(path: Path, line: str) -> None:
    """Add the line, unless the file would not be valid with it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            before = file.read()
            gap = "" if not before or before.endswith("\n") else "\n"
            apikeys.parse(f"{before}{gap}{line}\n")
            file.write(f"{gap}{line}\n")
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Trouble(f"{path}: {error}") from error
