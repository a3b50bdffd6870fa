"""The facts that every room of the gateway shares. Frozen; no behaviour, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
"""Kubernetes' words for a pod's life, used by every launcher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """What a caller asks for when an agent is made.

    `env` reaches the agent's process only, never a log or an answer.
    """

    agent_id: str
    user_id: str
    backend: str
    model: str = ""
    permission_mode: str = "acceptEdits"
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One sandbox as its launcher sees it.

    `ready`: a message would be accepted now, if need be after a start on
    demand. `key_id` names the gateway key its tokens derive from. `reason` and
    `message` say why it is not ready, "" otherwise.
    """

    agent_id: str
    user_id: str
    backend: str
    pod_name: str
    pod_ip: str
    phase: Phase
    ready: bool
    created_at: datetime
    key_id: str
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus:
    """What a running agent says of itself (GetStatus)."""

    session_id: str
    state: Literal["idle", "processing", "error", "unknown"]
    latest_seq: int
    current_model: str
    permission_mode: str
    uptime_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How many events of a turn may share one POST, and how long the first waits for others."""

    max_events: int
    max_wait_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the events of a turn go. `webhook_secret` "": unsigned. `batch` None: one by one."""

    webhook_url: str
    webhook_secret: str = field(default="", repr=False)
    batch: Batch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A command that is durable. `replayed`: it had been accepted before."""

    request_id: str
    replayed: bool
