"""`forge keys`: API keys for the gateway's keys file."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.errors import Trouble
from gateway.errors import BadRequest
from gateway.http import apikeys


@click.group()
def keys() -> None:
    """API keys, which callers show to a gateway.

    \b
    Example:
      forge keys new backend --owner ada --file keys
      FORGE_KEYS_FILE=keys forge serve
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
