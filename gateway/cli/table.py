"""What a gateway told, in columns or as a list of facts."""

import json
from collections.abc import Sequence

import click
from rich.table import Table

from gateway.cli.api import JSON
from gateway.cli.printable import one_line, printable
from gateway.cli.screen import PlainConsole

_PIPED_WIDTH = 1000


def print_table(columns: Sequence[str], rows: Sequence[JSON]) -> None:
    """A row each; what a row lacks is left empty."""
    console = PlainConsole()
    if not console.is_terminal:
        console.width = _PIPED_WIDTH  # nothing is wrapped or cut for a pipe
    heads = (name.removesuffix("_at").upper() for name in columns)
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(one_line(_word(row.get(name, "")), limit=128) for name in columns))
    console.print(table)


def print_facts(facts: JSON) -> None:
    """A line each."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        click.echo(printable(f"{name:<{width}}  {_word(value)}"))


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
