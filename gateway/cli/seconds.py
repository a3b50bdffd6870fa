"""Spans of time on the command line."""

import click

from gateway.variables import Duration


class Seconds(click.ParamType[float]):
    """Go's form (`90s`, `1m30s`) or a plain number of seconds; a float of seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value)
        try:
            return float(Duration.parse(f"{text}s" if text[-1:].isdigit() else text))
        except ValueError:
            self.fail(f"{text!r} is no time; 90, 90s, 5m or 1h30m would be", param, ctx)


SECONDS = Seconds()
