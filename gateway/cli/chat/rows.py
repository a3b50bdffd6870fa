"""Styled text cut into the rows of a terminal."""

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.utils import get_cwidth


def rows(text: StyleAndTextTuples, columns: int) -> list[StyleAndTextTuples]:
    """Each at most so wide, as the terminal itself would break them; none for no text."""
    found: list[StyleAndTextTuples] = []
    left = 0
    for style, said, *_ in text:
        for character in said:
            width = get_cwidth(character)
            if width > left or not found:
                found.append([])
                left = columns
            found[-1].append((style, character))
            left -= width
    return found
