"""Arrivals as JSON lines: the payload as it came, one a line."""

import click

from gateway.cli.printable import json_line, one_line
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Turn


class JsonLines:
    """Writes payloads to stdout; what was refused is told on stderr."""

    def started(self, turn: Turn) -> None:
        """Payloads tell their own time."""

    def arrived(self, arrival: Arrival) -> None:
        if arrival.event is None:
            click.echo(f"refused: {one_line(arrival.refusal, limit=200)}", err=True)
        else:
            click.echo(json_line(arrival.body))
