"""What Codex is started with: environment, folders, the user's configuration and login."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

LOGIN = "run `codex login`, set OPENAI_API_KEY, or name a provider in ~/.codex/config.toml"
"""How to get credentials."""
_KEY = "OPENAI_API_KEY"
_BASE_URL = "OPENAI_BASE_URL"
_OPENAI = "https://api.openai.com/v1"
_LOGIN = "auth.json"
_CONFIGURATION = "config.toml"


class Home:
    """The CLI's own state in the agent's folder: sessions, logs, temporary files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.state = folder / "codex"
        self.temporary = folder / "tmp"

    def prepare(self, env: Mapping[str, str]) -> None:
        """Make the folders.

        A login that the user has elsewhere is used from there; of the user's configuration
        each start takes a copy, since the CLI writes into its own.
        """
        for folder in (self.state, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)
        theirs = users_folder(env)
        login = self.state / _LOGIN
        if (theirs / _LOGIN).is_file() and not login.is_symlink() and not login.exists():
            login.symlink_to(theirs / _LOGIN)
        if (theirs / _CONFIGURATION).is_file():
            shutil.copyfile(theirs / _CONFIGURATION, self.state / _CONFIGURATION)

    def environment(self, env: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the process."""
        return {
            "HOME": str(self._folder),
            **env,
            "CODEX_HOME": str(self.state),
            "TMPDIR": str(self.temporary),
        }


def users_folder(env: Mapping[str, str]) -> Path:
    """Where `codex` of this environment keeps its configuration and login."""
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    configured = env.get("CODEX_HOME")
    return Path(configured) if configured else home / ".codex"


def arguments(env: Mapping[str, str]) -> list[str]:
    """Options that have the CLI take its key from the environment.

    By itself it wants a login; only for providers that are configured does it read a
    variable. A login or configuration of the user stays as it is.
    """
    if not env.get(_KEY) or _configured(env):
        return []
    fields = {
        "name": "OpenAI",
        "base_url": env.get(_BASE_URL) or _OPENAI,
        "env_key": _KEY,
        "wire_api": "responses",
    }
    table = ", ".join(f"{name} = {_quoted(value)}" for name, value in fields.items())
    return ["-c", 'model_provider="forge"', "-c", f"model_providers.forge={{ {table} }}"]


def has_credentials(env: Mapping[str, str]) -> bool:
    """A key, a login, or a configuration that may name a provider of one's own."""
    return bool(env.get(_KEY)) or _configured(env)


def _configured(env: Mapping[str, str]) -> bool:
    theirs = users_folder(env)
    return (theirs / _LOGIN).is_file() or (theirs / _CONFIGURATION).is_file()


def _quoted(value: str) -> str:
    """As TOML has it; its basic strings are JSON's."""
    return msgspec.json.encode(value).decode()
