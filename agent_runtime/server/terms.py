"""What holds for this agent now: what it was made with, and what has been changed since."""

from agent_runtime.errors import Invalid, SettingsError
from agent_runtime.journal.journal import Journal
from agent_runtime.settings import Settings
from agent_runtime.turns.policy import Policy


def model(settings: Settings, journal: Journal) -> str:
    return journal.fact("model") or settings.model


def permission_mode(settings: Settings, journal: Journal) -> str:
    return journal.fact("permission_mode") or settings.permission_mode


def policy(settings: Settings, journal: Journal) -> Policy:
    """Raises SettingsError."""
    try:
        return Policy.read(journal.fact("policy") or settings.policy)
    except Invalid as error:
        raise SettingsError(f"FORGE_POLICY: {error}") from error
