"""What a backend can do beyond a prompt in and events out."""

from enum import StrEnum


class Capability(StrEnum):
    """Named in answers to callers, and listed by the agent's status.

    Without a capability nothing of it is asked of the backend: the runtime
    refuses the command with `Unsupported`.
    """

    PERMISSIONS = "permissions"
    """Asks before it does something (`TurnSink.permission`)."""
    QUESTIONS = "questions"
    """Asks the user (`TurnSink.question`)."""
    ATTACH_IMAGE = "attach.image"
    ATTACH_PDF = "attach.pdf"
    ATTACH_TEXT = "attach.text"
    SET_MODEL = "set_model"
    SET_PERMISSION_MODE = "set_permission_mode"
    RESUME = "resume"
    """Takes the session of the runtime before up again."""
    REASONING = "reasoning"
    """Tells what the model thinks."""
    USAGE = "usage"
    """Tells tokens."""
    COST = "cost"
    """Tells US dollars."""
