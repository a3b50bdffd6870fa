"""Every `make` target and `forge` command that the docs show exists, with its options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from gateway.cli import main

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(?:sh|bash|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def pages() -> list[Path]:
    return [
        ROOT / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "deploy").rglob("README.md")),
    ]


def differences() -> Iterator[str]:
    """One sentence a command that is shown and does not exist."""
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text("utf-8")))
    for path in pages():
        for line in _commands(path.read_text("utf-8")):
            problem = _problem(line, targets)
            if problem:
                yield f"{path.relative_to(ROOT)}: `{line}`: {problem}"


def _commands(text: str) -> Iterator[str]:
    """Lines of shell blocks that begin with make or forge, and `code` that does."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield from re.findall(r"(?:^|\$ |&& |\| )((?:make|forge) .*?)(?=$| && | \|)", line)
    outside = _BLOCK.sub("", text)
    yield from re.findall(r"`((?:make|forge) [^`\n]+)`", outside)


def _problem(line: str, targets: set[str]) -> str:
    words = shlex.split(line, comments=True)
    if words[0] == "make":
        missing = [word for word in words[1:] if "=" not in word and word not in targets]
        return f"no such target: {missing[0]}" if missing else ""
    return _forge_problem(words[1:])


def _forge_problem(words: list[str]) -> str:
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        if found is None:
            return f"no such command: {words[0]}"
        command, words = found, words[1:]
    known = {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
    given = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    unknown = given - known - {"--help", "--version"}
    return f"no such option: {sorted(unknown)[0]}" if unknown else ""
