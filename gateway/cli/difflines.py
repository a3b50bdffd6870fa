"""A diff on a terminal or in a pipe, and what is to be said about it."""

from collections.abc import Iterator

import click

from gateway.cli.api import JSON
from gateway.cli.printable import one_line, printable
from gateway.cli.screen import PlainConsole

_STYLES = (("@@", "cyan"), ("+", "green"), ("-", "red"))
_PATH = 200


def print_diff(told: JSON) -> None:
    """Colours where there are any; piped, the diff as it is."""
    text, console = str(told["diff"]), PlainConsole()
    if console.is_terminal:
        for line, style in styled(printable(text)):
            console.out(line, style=style, highlight=False)
    else:
        click.echo(text.encode("utf-8", "replace"), nl=False)  # a str would lose escape sequences
    for note in notes(told):
        click.echo(note, err=True)


def styled(diff: str) -> Iterator[tuple[str, str | None]]:
    """Its lines, each with its style; + and - before a file's first hunk are no changes."""
    in_hunk = False
    for line in diff.removesuffix("\n").split("\n") if diff else ():
        if line.startswith("diff --git "):
            in_hunk = False
        in_hunk = in_hunk or line.startswith("@@")
        style = next((style for mark, style in _STYLES if line.startswith(mark)), None)
        yield line, style if in_hunk else "bold"


def notes(told: JSON) -> Iterator[str]:
    """What the diff does not say itself."""
    if not told["files"]:
        yield "nothing has changed"
    for file in told["files"]:
        if file.get("left_out"):
            path = one_line(file["path"], limit=_PATH)
            yield f"{file['status']}, but too large or not readable: {path}"
    others = [turn for turn in told.get("turns", ()) if turn != told.get("request_id")]
    if others:
        names = one_line(", ".join(others), limit=_PATH)
        yield f"with what these turns did, which ran without a pause between: {names}"
    if told.get("truncated"):
        yield "there is more: this is cut"
