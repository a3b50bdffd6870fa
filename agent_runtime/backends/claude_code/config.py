"""What Claude Code is started with: environment, folders, the user's login."""

from collections.abc import Mapping
from pathlib import Path

from agent_runtime.backends.claude_code.planned import is_session

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    # A turn ends when all that it began has ended: what goes on in the background would
    # begin turns of its own.
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
    "CLAUDE_CODE_DISABLE_CRON": "1",
}
_KEYS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
)
LOGIN = (
    "run `claude` and log in, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN "
    "(`claude setup-token`)"
)
"""How to get credentials."""
_LOGIN = ".credentials.json"


class Home:
    """The CLI's own state in the agent's folder: sessions, settings, temporary files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.config = folder / "claude"
        self.temporary = folder / "tmp"

    def prepare(self, env: Mapping[str, str]) -> None:
        """Make the folders; a login that the user has elsewhere is used from there."""
        for folder in (self.config, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        login, theirs = self.config / _LOGIN, users_login(env)
        if theirs.is_file() and not login.is_symlink() and not login.exists():
            login.symlink_to(theirs)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the process."""
        return {
            "HOME": str(self._folder),
            **env,
            **_QUIET,
            "CLAUDE_CONFIG_DIR": str(self.config),
            "CLAUDE_CODE_TMPDIR": str(self.temporary),
            "TMPDIR": str(self.temporary),
        }

    def transcript(self, session_id: str) -> Path | None:
        """The file in which the CLI keeps that session, None when it does not."""
        if not is_session(session_id):
            return None
        return next(self.config.glob(f"projects/*/{session_id}.jsonl"), None)


def users_login(env: Mapping[str, str]) -> Path:
    """Where `claude` of this environment keeps its credentials."""
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    configured = env.get("CLAUDE_CONFIG_DIR")
    return (Path(configured) if configured else home / ".claude") / _LOGIN


def has_credentials(env: Mapping[str, str]) -> bool:
    """A key, a token, a cloud's own login, or a login of the user."""
    return any(env.get(name) for name in _KEYS) or users_login(env).is_file()
