"""Where a conversation is shown and typed."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console


class Left(Exception):
    """The user has nothing more to say: Ctrl-D, or the end of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What stands around the line that is typed.

    Attributes:
        above: lines that tell what goes on just now.
        asked: the prompt that the next line answers, "" where it is a message.
        label: how it can be answered, such as `y/a/n`.
        busy: a turn runs, so that Ctrl-C is meant for it.
    """

    above: Sequence[str] = ()
    asked: str = ""
    label: str = ""
    busy: bool = False


@dataclass(frozen=True, slots=True)
class Typed:
    """A line, or several that were pasted. `asked`: the prompt that it was typed for."""

    text: str
    asked: str = ""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a face asks, and tells when it happens. `leave` gets the exit status."""

    mark: Callable[[], Mark]
    press: Callable[[], None]
    leave: Callable[[int], None]
    complete: Callable[[str], Sequence[str]]
    """What the last word of a line could become, each whole."""


class Face(Protocol):
    """Used in one event loop, and shown only inside `shown`."""

    @property
    def console(self) -> Console:
        """Takes what is to be shown, above the line that is typed."""
        ...

    @property
    def types_ahead(self) -> bool:
        """Whether a person types, at any time; else lines wait until the last one is done with."""
        ...

    def shown(self, hands: Hands) -> AbstractAsyncContextManager[None]: ...

    async def line(self) -> Typed:
        """The next one. Raises Left."""
        ...

    def set_aside(self) -> None:
        """What has been typed and not sent is not meant for what comes now."""
        ...

    def bring_back(self) -> None:
        """What was set aside."""
        ...

    def changed(self) -> None:
        """The mark is another one."""
        ...
