"""What an event asks the user, in the words that all backends share."""

from agent_runtime.backends.asks import PermissionAsk, QuestionAsk
from agent_runtime.backends.opencode import shapes
from agent_runtime.backends.opencode.events import Event, shape

_EDIT = "edit"
"""What the CLI calls every change of a file in the workspace."""


def permission_of(event: Event) -> PermissionAsk | None:
    """None where it has another shape."""
    told = shape(event, shapes.PermissionAsked)
    if told is None:
        return None
    return PermissionAsk(
        prompt_id=told.id,
        tool=told.permission,
        input_json=bytes(told.metadata),
        edits=told.permission == _EDIT,
    )


def question_of(event: Event) -> QuestionAsk | None:
    """None where it has another shape."""
    told = shape(event, shapes.QuestionAsked)
    return None if told is None else QuestionAsk(prompt_id=told.id, questions=told.questions)
