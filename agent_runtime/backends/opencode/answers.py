"""What is answered when the CLI asks, as long as nobody else can be asked.

A refusal comes with a message: without one the CLI ends its turn.
"""

from dataclasses import dataclass
from typing import Literal

from agent_runtime.backends.permission_mode import PermissionMode

_EDIT = "edit"
"""What the CLI calls every change of a file in the workspace."""

UNATTENDED = "Nobody can answer now. Decide yourself, and say what you assumed."
INTERRUPTED = "The turn was interrupted."


@dataclass(frozen=True, slots=True)
class Answer:
    reply: Literal["once", "reject"]
    message: str = ""


def decide(permission: str, mode: PermissionMode) -> Answer:
    """Whether what the CLI asks for may be done under this mode.

    Allowed once, never always: the mode may change with the next prompt.
    """
    edits = mode is PermissionMode.ACCEPT_EDITS and permission == _EDIT
    if edits or mode is PermissionMode.BYPASS:
        return Answer("once")
    return Answer(
        "reject",
        f"The permission mode {mode.value!r} does not allow {permission!r}, and nobody can be "
        "asked now. Go on without it, or say what you would need.",
    )
