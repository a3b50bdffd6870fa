"""Which environment variables reach an agent's process.

An allow-list of the gateway's own (what any program needs, and what the agent's
backend needs to reach its models), then what was given at create, then the launcher's.
"""

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from gateway.keyring import Keyring
from gateway.launchers.local.facts import AgentFacts
from gateway.launchers.local.folder import AgentFolder
from gateway.settings import Settings

_INHERITED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+"
    r"|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|(HTTPS?|NO)_PROXY|(https?|no)_proxy"
    r"|FORGE_TURN_LIMIT_S|FORGE_GRACE_S"
)
_MODELS = {
    "claude_code": re.compile(r"ANTHROPIC_\w+|CLAUDE_CODE_\w+"),
    "codex": re.compile(r"OPENAI_\w+|CODEX_\w+"),
    "opencode": re.compile(r"ANTHROPIC_\w+|OPENAI_API_KEY|OPENCODE_\w+"),
}
"""What each CLI finds its models and credentials by; it gets no other's."""
_ANY_MODELS = re.compile("|".join(models.pattern for models in _MODELS.values()))
"""For a backend that may drive any of them."""
_CREDENTIAL = re.compile(r".*(KEY|TOKEN|SECRET|PASSWORD).*")


class AgentEnvironment:
    """Makes the environment of any agent of this gateway, whose own it holds."""

    def __init__(
        self, settings: Settings, keyring: Keyring, sockets: Path, gateway_env: Mapping[str, str]
    ) -> None:
        self._keyring = keyring
        self._nudge = f"dir:{sockets}"
        self._idle_exit_s = str(float(settings.idle_exit))
        self._gateway_env = dict(gateway_env)

    def __call__(self, folder: AgentFolder, facts: AgentFacts) -> Mapping[str, str]:
        """Raises KeyringError when the key of the agent's tokens is missing."""
        hashed = partial(self._keyring.token_sha256, facts.agent_id, key_id=facts.key_id)
        return {
            **_inherited(self._gateway_env, facts.backend),
            **facts.env,
            "AGENT_ID": facts.agent_id,
            "AGENT_CWD": str(folder.workspace),
            "AGENT_MODEL": facts.model,
            "PERMISSION_MODE": facts.permission_mode,
            "FORGE_POLICY": facts.policy,
            "FORGE_STATE_DIR": str(folder.path),
            "FORGE_LISTEN": folder.target,
            "FORGE_CLIENT_TOKEN_SHA256": hashed("client"),
            "FORGE_RELAY_TOKEN_SHA256": hashed("relay"),
            "FORGE_NUDGE": self._nudge,
            "FORGE_BACKEND": facts.backend,
            "FORGE_IDLE_EXIT_S": self._idle_exit_s,
        }


def _inherited(gateway_env: Mapping[str, str], backend: str) -> dict[str, str]:
    """What of the gateway's environment an agent with that backend may see."""
    options = f"FORGE_{backend.upper()}"
    models = _MODELS.get(backend, _ANY_MODELS)
    return {
        name: value
        for name, value in gateway_env.items()
        if _INHERITED.fullmatch(name)
        or models.fullmatch(name)
        or name == options
        or name.startswith(f"{options}_")
    }


def credentials(env: Mapping[str, str]) -> list[str]:
    """The values that must not be shown to anybody, as far as names tell."""
    return [value for name, value in env.items() if _CREDENTIAL.fullmatch(name.upper())]
