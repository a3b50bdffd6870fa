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
    MODELS = "models"
    """Lists the models it knows (`Backend.check_model`)."""
    STEER = "steer"
    """Takes a message into the running prompt (`Backend.steer`)."""
    NEW_SESSION = "new_session"
    FORK = "fork"
    """Begins a session as the one before has gone (`Backend.new_session`)."""
    RESUME = "resume"
    """Takes the session of the runtime before up again."""
    HISTORY = "history"
    """Keeps what was said itself, and tells it (`Backend.recall`)."""
    REASONING = "reasoning"
    """Tells what the model thinks."""
    USAGE = "usage"
    """Tells tokens."""
    COST = "cost"
    """Tells US dollars."""
