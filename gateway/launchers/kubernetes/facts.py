"""The facts an agent was made with, as its pod, and its volume, carry them.

In annotations: nothing of them is secret, and they say everything that is needed to make
the pod of an agent with a volume again, but for the values of the caller's variables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.objects import Metadata
from gateway.launchers.podname import pod_name
from gateway.model import AgentSpec

_WRITTEN = {
    "user_id": names.OWNER,
    "backend": names.BACKEND,
    "model": names.MODEL,
    "permission_mode": names.PERMISSION_MODE,
    "policy": names.POLICY,
    "key_id": names.KEY_ID,
}
"""Texts, as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """`env`: names of the caller's variables; `labels`: the caller's, not Kubernetes'."""

    agent_id: str
    user_id: str
    backend: str
    model: str
    permission_mode: str
    policy: str
    key_id: str
    created_at: datetime
    labels: Mapping[str, str]
    env: tuple[str, ...]

    @classmethod
    def of(cls, spec: AgentSpec, *, key_id: str, created_at: datetime) -> "AgentFacts":
        return cls(
            agent_id=spec.agent_id,
            user_id=spec.user_id,
            backend=spec.backend,
            model=spec.model,
            permission_mode=spec.permission_mode,
            policy=spec.policy,
            key_id=key_id,
            created_at=created_at,
            labels=dict(spec.labels),
            env=tuple(spec.env),
        )

    @classmethod
    def read(cls, metadata: Metadata) -> "AgentFacts | None":
        """None: no gateway made that object, whatever its labels say."""
        noted = metadata.annotations
        agent_id = metadata.labels.get(names.AGENT_ID)
        try:
            return (
                cls(
                    agent_id=agent_id or "",
                    created_at=datetime.fromisoformat(noted[names.CREATED]),
                    labels=msgspec.json.decode(noted[names.LABELS], type=dict[str, str]),
                    env=msgspec.json.decode(noted[names.ENV], type=tuple[str, ...]),
                    **{field: noted[annotation] for field, annotation in _WRITTEN.items()},
                )
                if agent_id
                else None
            )
        except (KeyError, ValueError, msgspec.MsgspecError):
            return None

    @property
    def name(self) -> str:
        """Of its pod, and of what belongs to it."""
        return pod_name(self.user_id, self.agent_id)

    def annotations(self) -> dict[str, str]:
        """What `read` reads."""
        return {
            **{annotation: getattr(self, field) for field, annotation in _WRITTEN.items()},
            names.CREATED: self.created_at.isoformat(),
            names.LABELS: msgspec.json.encode(self.labels).decode(),
            names.ENV: msgspec.json.encode(self.env).decode(),
        }

    def metadata(self) -> dict[str, object]:
        """Of an object that carries them."""
        return {
            "name": self.name,
            "labels": names.labels(self.user_id, self.agent_id),
            "annotations": self.annotations(),
        }


def deleted_ms(metadata: Metadata) -> int | None:
    """Since when (Unix ms) the agent is gone for the API; None: it is not."""
    text = metadata.annotations.get(names.DELETED)
    if text is None:
        return None
    return int(text) if text.isdecimal() else 0


def is_being_made(metadata: Metadata) -> bool:
    """Whether objects of it may be missing, for now or, if its maker is dead, for ever."""
    return names.MAKING in metadata.annotations


def is_going(metadata: Metadata) -> bool:
    """Whether it is marked, or Kubernetes deletes it already."""
    return metadata.deletion_timestamp is not None or deleted_ms(metadata) is not None
