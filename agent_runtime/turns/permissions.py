"""What a permission mode allows without anybody being asked."""

from agent_runtime.backends.asks import Decision, PermissionAnswer, PermissionAsk
from agent_runtime.backends.permission_mode import PermissionMode

UNATTENDED = "Nobody can answer now. Decide yourself, and say what you assumed."


def decide(ask: PermissionAsk, mode: PermissionMode) -> PermissionAnswer:
    """Whether it may be done under this mode.

    Allowed once, never always: the mode may change with the next prompt.
    """
    edits = mode is PermissionMode.ACCEPT_EDITS and ask.edits
    if edits or mode is PermissionMode.BYPASS:
        return PermissionAnswer(decision=Decision.ONCE)
    return PermissionAnswer(
        decision=Decision.REJECT,
        message=f"The permission mode {mode.value!r} does not allow {ask.tool!r}, and nobody can "
        "be asked now. Go on without it, or say what you would need.",
    )
