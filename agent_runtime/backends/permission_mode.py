"""What a CLI may do without being asked."""

from enum import StrEnum
from typing import Self

from agent_runtime.errors import Invalid


class PermissionMode(StrEnum):
    DEFAULT = "default"
    """Everything that the CLI asks about needs an answer."""
    ACCEPT_EDITS = "acceptEdits"
    """Edits of files in the workspace are allowed."""
    BYPASS = "bypassPermissions"
    """Everything is allowed."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises Invalid, naming the modes there are."""
        try:
            return cls(text)
        except ValueError as error:
            known = ", ".join(cls)
            raise Invalid(f"there is no permission mode {text!r}; known are: {known}") from error
