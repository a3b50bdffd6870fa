"""What a command can end with, as its user sees it.

click.UsageError             exit status 2: the command line is wrong
Trouble                      exit status 1: one sentence, and what to do
+-- NoGateway                nothing answers at the gateway's URL
+-- Refused                  the gateway answered with an error
+-- Silence                  the gateway is there, but no event came in time
"""

from typing import IO, Any

import click

from gateway.cli.printable import printable


class Trouble(click.ClickException):
    """Ends the command; the message may quote what came from outside."""

    def format_message(self) -> str:
        return printable(self.message)


class NoGateway(Trouble):
    """No gateway answers."""


class Silence(Trouble):
    """Nothing has arrived for as long as the command waits."""


class Refused(Trouble):
    """The gateway's own error: `status` is HTTP's, `code` its word for it."""

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class OutputClosed(Trouble):
    """There is nobody left to tell anything."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Nothing, as other commands in a pipe do."""
