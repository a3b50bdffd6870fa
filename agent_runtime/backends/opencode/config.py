"""What OpenCode is started with: environment, configuration, the user's login."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent_runtime.errors import BackendUnusable

LOGIN = "run `opencode auth login`, or set ANTHROPIC_API_KEY or another provider's key"
"""How to get credentials."""
CONFIG_VARIABLE = "OPENCODE_CONFIG_CONTENT"
_QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
}
_DEFAULTS: dict[str, Any] = {
    "autoupdate": False,
    "share": "disabled",
    # Asked for, so that the permission mode decides, and may change from prompt to prompt.
    "permission": {"edit": "ask", "bash": "ask", "webfetch": "ask"},
}
_KEYS = tuple(
    f"{provider}_API_KEY"
    for provider in (
        "ANTHROPIC",
        "DEEPSEEK",
        "GEMINI",
        "GOOGLE_GENERATIVE_AI",
        "GROQ",
        "MISTRAL",
        "OPENAI",
        "OPENCODE",
        "OPENROUTER",
        "XAI",
    )
)
"""Where the providers that are used most take their key from."""
_BASE_URL = "OPENCODE_BASE_URL"
"""Another address of OpenCode's own provider, the one that OPENCODE_API_KEY is for."""


class Home:
    """The CLI's own state in the agent's folder: sessions, logs, what it leaves in TMPDIR."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.state = folder / "state"
        self.temporary = folder / "tmp"

    def prepare(self, env: Mapping[str, str]) -> None:
        """Make the folders; a login that the user has elsewhere is used from there."""
        for folder in (self.data / "opencode", self.state, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        login, theirs = self.data / "opencode" / "auth.json", users_login(env)
        if theirs != login and theirs.is_file() and not login.is_symlink() and not login.exists():
            login.symlink_to(theirs)


def users_login(env: Mapping[str, str]) -> Path:
    """Where `opencode auth login` of this environment keeps its credentials."""
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    data = env.get("XDG_DATA_HOME")
    return (Path(data) if data else home / ".local" / "share") / "opencode" / "auth.json"


def environment(env: Mapping[str, str], home: Home, *, user: str, password: str) -> dict[str, str]:
    """The whole environment of the process.

    Raises:
        BackendUnusable: the configuration that is already in it cannot be read.
    """
    return {
        "HOME": str(home.data.parent),
        **_QUIET,
        **env,
        CONFIG_VARIABLE: msgspec.json.encode(configuration(env)).decode(),
        "OPENCODE_SERVER_USERNAME": user,
        "OPENCODE_SERVER_PASSWORD": password,
        "XDG_DATA_HOME": str(home.data),
        "XDG_STATE_HOME": str(home.state),
        "TMPDIR": str(home.temporary),
    }


def configuration(env: Mapping[str, str]) -> dict[str, Any]:
    """Our defaults under what the environment configures already, which wins.

    Raises:
        BackendUnusable: it is no JSON object.
    """
    ours = dict(_DEFAULTS)
    if base_url := env.get(_BASE_URL):
        ours["provider"] = {"opencode": {"options": {"baseURL": base_url}}}
    return _merge(ours, _configured(env))


def has_credentials(env: Mapping[str, str]) -> bool:
    """A login, an API key, or a provider of one's own."""
    if any(env.get(name) for name in _KEYS):
        return True
    return bool(_configured(env).get("provider")) or _has_entry(users_login(env))


def _has_entry(login: Path) -> bool:
    try:
        return bool(msgspec.json.decode(login.read_bytes(), type=dict[str, Any]))
    except (OSError, ValueError):
        return False


def _configured(env: Mapping[str, str]) -> dict[str, Any]:
    try:
        return msgspec.json.decode(env.get(CONFIG_VARIABLE) or "{}", type=dict[str, Any])
    except ValueError as error:
        # Without the cause's text: it may quote a key.
        raise BackendUnusable(f"{CONFIG_VARIABLE} is not a JSON object") from error


def _merge(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**ours, **theirs}
    for name in ours.keys() & theirs.keys():
        if isinstance(ours[name], dict) and isinstance(theirs[name], dict):
            merged[name] = _merge(ours[name], theirs[name])
    return merged
