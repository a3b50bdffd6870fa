"""The forms of numbers in queries and headers, which come as texts."""

from typing import ClassVar

from gateway.http.forms import Form, Schema

MAX_SEQ = 2**53 - 1
"""The largest whole number that every JSON parser keeps exact."""


class Number(Form):
    """A whole number in a query or a header."""

    pattern = r"[0-9]+"
    longest = 16
    lowest: ClassVar[int]
    highest: ClassVar[int]

    @classmethod
    def of(cls, text: str) -> "Form":
        form = super().of(text)
        if not cls.lowest <= int(form) <= cls.highest:
            raise ValueError(f"{cls.needed} is needed")
        return form

    @classmethod
    def schema(cls) -> Schema:
        return {
            "type": "integer",
            "minimum": cls.lowest,
            "maximum": cls.highest,
            "description": f"{cls.needed[0].upper()}{cls.needed[1:]}.",
            "examples": [int(cls.example)],
        }


class Seq(Number):
    """Counts the events of an agent."""

    needed = "the seq of an event, or 0 for the place before the first,"
    lowest = 0
    highest = MAX_SEQ
    example = "41"


class Limit(Number):
    needed = "a number of events from 1 to 1000"
    lowest = 1
    highest = 1000
    example = "100"


class MessageLimit(Number):
    needed = "a number of messages from 1 to 200"
    lowest = 1
    highest = 200
    example = "50"


class Cursor(Number):
    """Where a page ends."""

    needed = "the `next_cursor` of the page before"
    lowest = 0
    highest = MAX_SEQ
    example = "17"
