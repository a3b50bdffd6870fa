"""What a test can have the model say, and how one answer is put on the wire."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 100, 10, 40, 5
"""What every call claims to have used: the cached ones are part of the input,
the reasoning is part of the output."""


@dataclass(frozen=True, slots=True)
class Say:
    """An answer in pieces of `piece` characters, `pause_s` apart; `think` comes before it."""

    text: str
    think: str = ""
    piece: int = 12
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, after thoughts and text; `also` are called in the same breath.

    Arguments that are a text are those of a free-form tool (Responses only).
    """

    tool: str
    arguments: Mapping[str, Any] | str
    text: str = ""
    think: str = ""
    also: tuple["Call", ...] = ()

    @property
    def all(self) -> tuple["Call", ...]:
        return (self, *self.also)


@dataclass(frozen=True, slots=True)
class Stall:
    """Some text, then nothing, until the caller hangs up."""

    text: str


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error. CLIs repeat a call that failed with 429 or 5xx, some for ever."""

    status: int
    message: str = "the stub model fails"


@dataclass(frozen=True, slots=True)
class Garbage:
    """These bytes in place of an event stream."""

    content: bytes = b"data: {not json\n\n"


Told = Say | Call | Stall
Reply = Told | Fail | Garbage


class Answer(Protocol):
    """One answer of one API. Used once: `opening`, unless it stalls `closing`."""

    def opening(self) -> Iterator[bytes]:
        """All that is said, in order."""
        ...

    def closing(self) -> Iterator[bytes]:
        """That it was all."""
        ...


def pieces(reply: Told) -> Iterator[str]:
    size = reply.piece if isinstance(reply, Say) else 12
    for start in range(0, len(reply.text), size):
        yield reply.text[start : start + size]


def thought(reply: Told) -> str:
    return "" if isinstance(reply, Stall) else reply.think


def calls(reply: Told) -> tuple[Call, ...]:
    return reply.all if isinstance(reply, Call) else ()


def arguments(call: Call) -> str:
    if isinstance(call.arguments, str):
        return call.arguments
    return msgspec.json.encode(call.arguments).decode()


def pieces_of(content: Any) -> list[str]:
    """All texts in the content of a message, in whatever form it comes."""
    if isinstance(content, str):
        return [content]
    return [text for part in content or [] if (text := part.get("text"))]
