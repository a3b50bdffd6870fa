"""What is answered when nobody is asked, or nobody answers."""

from agent_runtime.backends.asks import Decision, PermissionAnswer, PermissionAsk
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.turns.policy import Action, Policy

UNATTENDED = "Nobody can answer now. Decide yourself, and say what you assumed."

ALLOWED = PermissionAnswer(decision=Decision.ONCE)
"""Never always: mode and policy may change with the next prompt."""
INTERRUPTED = PermissionAnswer(decision=Decision.REJECT, message="The turn was interrupted.")


def decide(ask: PermissionAsk, policy: Policy, mode: PermissionMode) -> PermissionAnswer | None:
    """What policy and mode say, None where the user is to be asked."""
    match policy.action(ask.tool):
        case Action.ALLOW:
            return ALLOWED
        case Action.DENY:
            return _refused(f"The policy of this agent does not allow {ask.tool!r}.")
        case Action.ASK:
            return None
    edits = mode is PermissionMode.ACCEPT_EDITS and ask.edits
    return ALLOWED if edits or mode is PermissionMode.BYPASS else None


def unanswered(ask: PermissionAsk, policy: Policy) -> PermissionAnswer:
    """When the time is up."""
    if policy.on_timeout == "allow":
        return ALLOWED
    return _refused(f"Nobody answered in time whether {ask.tool!r} is allowed.")


def _refused(why: str) -> PermissionAnswer:
    message = f"{why} Go on without it, or say what you would need."
    return PermissionAnswer(decision=Decision.REJECT, message=message)
