"""What makes each CLI talk to the stub model, and to nobody else."""

from collections.abc import Sequence
from typing import Any

import msgspec

PROVIDER = "stub"
MODEL = "stub/stub-model"
ANTHROPIC_MODEL = "claude-sonnet-4-5"
"""One whose prices Claude Code knows."""
KEY = "not-a-key"


def opencode_config(model_url: str, *, models: Sequence[str] = ("stub-model",), **more: Any) -> str:
    """For OPENCODE_CONFIG_CONTENT: the stub is the one provider there is."""
    named = {
        "name": "Stub",
        "attachment": True,
        "modalities": {"input": ["text", "image", "pdf"], "output": ["text"]},
        "reasoning": True,
        "tool_call": True,
        "limit": {"context": 10_000_000, "output": 1_000_000},
        "cost": {"input": 1, "output": 2},
    }
    config = {
        "enabled_providers": [PROVIDER],
        "model": MODEL,
        "small_model": MODEL,
        "provider": {
            PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Stub",
                "options": {"baseURL": model_url, "apiKey": KEY},
                "models": dict.fromkeys(models, named),
            }
        },
        **more,
    }
    return msgspec.json.encode(config).decode()


def claude_env(root: str) -> dict[str, str]:
    """Claude Code takes its provider from the environment."""
    return {"ANTHROPIC_BASE_URL": root, "ANTHROPIC_API_KEY": KEY}


def codex_config(model_url: str) -> str:
    """For `config.toml` in CODEX_HOME; the provider's key is in OPENAI_API_KEY."""
    return f"""\
model = "stub-model"
model_provider = "{PROVIDER}"

[model_providers.{PROVIDER}]
name = "Stub"
base_url = "{model_url}"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 1
stream_max_retries = 1
"""
