"""`forge doctor`: what this machine has and lacks."""

import sys

import click
import msgspec

from gateway.cli.checks import all_checks
from gateway.cli.connection import Connection, connected
from gateway.cli.printable import one_line
from gateway.cli.screen import PlainConsole

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "broken": ("✗", "bold red")}
_DETAIL = 400


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line a check.")
@connected
def doctor(connection: Connection, as_json: bool) -> None:
    """Check Python, runtime, backends, folders, ports and the gateway.

    ✓ is well, ! is a warning (something does not work without it, the rest
    does), ✗ is broken: exit status 1.

    \b
    Examples:
      forge doctor
      forge doctor --json | jq 'select(.state != "ok")'
    """
    console = PlainConsole()
    broken = False
    for check in all_checks(connection):
        broken |= check.state == "broken"
        if as_json:
            click.echo(msgspec.json.encode(check))
            continue
        mark, style = _MARKS[check.state]
        detail = one_line(check.detail, limit=_DETAIL)
        console.out(f"{mark} {check.name:<18} {detail}", style=style, highlight=False)
    sys.exit(1 if broken else 0)
