"""A model server that says what the test scripted, to any CLI: no model, no network.

    replies      what can be scripted                          (no I/O)
    chat, messages, responses   the three ways to say it       (no I/O)
    server       the script, the calls that came, the HTTP server
    configs      what makes each CLI use it

Imports point downwards to replies; `tests` use what is named below.
"""

from tests.peers.stub_model.configs import (
    ANTHROPIC_MODEL,
    KEY,
    MODEL,
    claude_env,
    codex_config,
    opencode_config,
)
from tests.peers.stub_model.replies import (
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Call,
    Fail,
    Garbage,
    Reply,
    Say,
    Stall,
)
from tests.peers.stub_model.server import StubModel, stub_model

__all__ = [
    "ANTHROPIC_MODEL",
    "INPUT_TOKENS",
    "KEY",
    "MODEL",
    "OUTPUT_TOKENS",
    "Call",
    "Fail",
    "Garbage",
    "Reply",
    "Say",
    "Stall",
    "StubModel",
    "claude_env",
    "codex_config",
    "opencode_config",
    "stub_model",
]
