"""The environment of an agent's container. Nothing secret stands in it as a value."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.keyring import Keyring
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.podsettings import PodSettings

HOME = "/home/agent"
WORKSPACE = f"{HOME}/workspace"
STATE = f"{HOME}/state"
TMP = "/tmp"  # noqa: S108 - a volume of the pod's own

OWN = frozenset(
    {
        "AGENT_ID",
        "AGENT_CWD",
        "AGENT_MODEL",
        "PERMISSION_MODE",
        "FORGE_POLICY",
        "PORT",
        "FORGE_BACKEND",
        "FORGE_CLIENT_TOKEN_SHA256",
        "FORGE_JOURNAL",
        "FORGE_LISTEN",
        "FORGE_NUDGE",
        "FORGE_POD_UID",
        "FORGE_RELAY_TOKEN_SHA256",
        "FORGE_STATE_DIR",
    }
)
"""What only the launcher may say."""

_MODEL_KEYS = tuple(
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
_CLAUDE = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
)
_CREDENTIALS = {
    "acp": tuple(dict.fromkeys((*_MODEL_KEYS, *_CLAUDE, "OPENAI_BASE_URL", "OPENCODE_BASE_URL"))),
    "claude_code": _CLAUDE,
    "codex": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "opencode": (*_MODEL_KEYS, "OPENCODE_BASE_URL"),
}
"""What each backend reads of the Secret with model credentials, where it is there."""
_FOR_ALL = "FORGE_TURN_LIMIT_S|FORGE_GRACE_S"


class AgentEnvironment:
    """Makes the environment of any agent. `gateway_env`: of which agents get a small part."""

    def __init__(
        self, settings: PodSettings, keyring: Keyring, gateway_env: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._keyring = keyring
        self._gateway_env = gateway_env

    def __call__(self, facts: AgentFacts, *, keeps_journal: bool) -> list[dict[str, Any]]:
        """Entries of a container's `env`.

        Raises:
            KeyringError: the key of the agent's tokens is missing.
        """
        plain = self._inherited(facts) | self._own(facts, keeps_journal=keeps_journal)
        uid = {"name": "FORGE_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
        return [
            *({"name": name, "value": value} for name, value in plain.items()),
            uid,
            *map(self._credential, self._credentials(facts)),
        ]

    def _own(self, facts: AgentFacts, *, keeps_journal: bool) -> dict[str, str]:
        hashed = partial(self._keyring.token_sha256, facts.agent_id, key_id=facts.key_id)
        # The root file system is read-only: what looks for a home or scratch space finds one.
        places = {"HOME": f"{STATE}/home", "TMPDIR": TMP}
        return {
            **{name: path for name, path in places.items() if name not in facts.env},
            "AGENT_ID": facts.agent_id,
            "AGENT_CWD": WORKSPACE,
            "AGENT_MODEL": facts.model,
            "PERMISSION_MODE": facts.permission_mode,
            "FORGE_POLICY": facts.policy,
            "PORT": str(names.PORT),
            "FORGE_BACKEND": facts.backend,
            "FORGE_STATE_DIR": STATE,
            "FORGE_JOURNAL": "kept" if keeps_journal else "volatile",
            "FORGE_CLIENT_TOKEN_SHA256": hashed("client"),
            "FORGE_RELAY_TOKEN_SHA256": hashed("relay"),
            "FORGE_NUDGE": self._settings.nudge_address or "",
        }

    def _inherited(self, facts: AgentFacts) -> dict[str, str]:
        """What the gateway's own environment says about runtimes, and about that backend."""
        wanted = re.compile(rf"{_FOR_ALL}|FORGE_{re.escape(facts.backend.upper())}(_\w+)?")
        return {
            name: value
            for name, value in self._gateway_env.items()
            if wanted.fullmatch(name) and name not in OWN
        }

    def _credentials(self, facts: AgentFacts) -> list[str]:
        """Of those, what the caller gives for this agent wins."""
        return [name for name in _CREDENTIALS.get(facts.backend, ()) if name not in facts.env]

    def _credential(self, name: str) -> dict[str, Any]:
        key = {"name": self._settings.model_secret, "key": name, "optional": True}
        return {"name": name, "valueFrom": {"secretKeyRef": key}}
