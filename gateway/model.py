"""The facts that every room of the gateway shares. Frozen; no behaviour, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
"""Kubernetes' words for a pod's life, used by every launcher."""


Action = Literal["allow", "ask", "deny"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is allowed, asked and denied: globs of tools, the first that matches counts.

    `timeout_ms`: how long a prompt waits, 0: not said here; `on_timeout` "" likewise.
    """

    rules: tuple[tuple[str, Action], ...] = ()
    timeout_ms: int = 0
    on_timeout: Literal["", "reject", "allow"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """What a caller asks for when an agent is made.

    `policy`: a Policy as the agent reads it, "" for none.
    `env` reaches the agent's process only, never a log or an answer.
    """

    agent_id: str
    user_id: str
    backend: str
    model: str = ""
    permission_mode: str = "acceptEdits"
    policy: str = ""
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
class Usage:
    """Cost in US dollars, None: not told."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus:
    """What a running agent says of itself (GetStatus)."""

    session_id: str
    state: Literal["idle", "processing", "error", "unknown"]
    latest_seq: int
    current_model: str
    permission_mode: str
    uptime_ms: int
    capabilities: tuple[str, ...] = ()
    usage: Usage | None = None
    policy: Policy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file beside a message: its content, or where it is to be fetched from."""

    filename: str
    mime_type: str
    data: bytes = field(default=b"", repr=False)
    url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer to a prompt: a `decision` and why, or one list of `answers` a question."""

    prompt_id: str
    decision: Literal["", "once", "always", "reject"] = ""
    message: str = ""
    answers: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPrompt:
    """What an agent has asked and nobody has answered. `data`: JSON, as in its event."""

    prompt_id: str
    request_id: str
    kind: Literal["permission", "question"]
    data: bytes
    asked_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Messages as JSON objects, oldest first. `next_cursor` "": there is nothing beyond."""

    messages: tuple[bytes, ...] = field(repr=False)
    next_cursor: str = ""


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
class Delivery:
    """What the agent itself applies to the events of a turn.

    `kinds`: globs of the event kinds to deliver, none: all; finals always.
    `coalesce_ms`: neighbouring text deltas within it are merged; 0: never.
    """

    kinds: tuple[str, ...] = ()
    coalesce_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A command that is durable. `replayed`: it had been accepted before."""

    request_id: str
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Which events are read: of one turn ("": of all), after a seq (None: from the oldest kept)."""

    request_id: str = ""
    after_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One journalled event. `payload`: exactly the bytes that a webhook carries."""

    seq: int
    is_final: bool
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Events in order. `more`: there were others behind the last one."""

    events: tuple[Event, ...]
    more: bool


TurnState = Literal["queued", "running", "ended", "unknown"]
Outcome = Literal["completed", "interrupted", "failed", "timed_out", "lost"]
DeliveryState = Literal["none", "pending", "parked", "delivered", "abandoned", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnReport:
    """What an agent's journal says of one turn.

    The seqs are 0 before there is an event. `outcome` None: it has not ended.
    `attempts` and what follows it are about the event after `acked_seq`;
    `last_status` 0: there was no answer. `generation` counts redeliveries from 1.
    `ticket`: its sealed target, of a turn that was asked for by its name.
    """

    request_id: str
    state: TurnState
    outcome: Outcome | None
    first_seq: int
    last_seq: int
    acked_seq: int
    delivery: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    last_status: int
    last_error: str
    rejected_seqs: tuple[int, ...]
    generation: int
    created_at: datetime
    ticket: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPage:
    """Turns, oldest first. `more`: there are older ones."""

    turns: tuple[TurnReport, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """What became of one file. `left_out`: its content is not in the diff."""

    path: str
    old_path: str
    status: str
    additions: int
    deletions: int
    binary: bool
    left_out: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What changed in an agent's workspace between two looks at it.

    `turns`: whose work it is, when one was asked for; that one did not run where `since` is None.
    """

    text: str
    files: tuple[FileChange, ...]
    truncated: bool
    turns: tuple[str, ...]
    since: datetime | None
    until: datetime | None
