"""Labels, annotations and names of agents' objects. Other programs rely on them: none changes.

Whose an agent is says the raw owner in its annotation. Labels are for people, Services
and policies: what is no label is only hinted at there.
"""

import hashlib
import re

CONTAINER = "forge-agent"
PORT_NAME = "grpc"
PORT = 8080

USER_ID = "user-id"
AGENT_ID = "agent-id"
APP_NAME = "app.kubernetes.io/name"
MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"

COMMON = {APP_NAME: "forge-agent", MANAGED_BY: "forge-gateway", COMPONENT: "agent"}
"""Labels of every object of every agent."""

SELECTOR = ",".join(f"{name}={value}" for name, value in COMMON.items())

PREFIX = "forge.dev/"
OWNER = PREFIX + "owner"
BACKEND = PREFIX + "backend"
MODEL = PREFIX + "model"
PERMISSION_MODE = PREFIX + "permission-mode"
POLICY = PREFIX + "policy"
KEY_ID = PREFIX + "key-id"
LABELS = PREFIX + "labels"
"""JSON of what the caller gave."""
ENV = PREFIX + "env"
"""JSON of the names of the caller's variables; their values are in a Secret."""
CREATED = PREFIX + "created"
"""RFC 3339: finer than Kubernetes' own."""
MAKING = PREFIX + "making"
"""On what carries the facts until all objects of the agent are made, where there are several."""
DELETED = PREFIX + "deleted"
"""Unix ms: since then the agent is gone for the API."""
DRAINED = PREFIX + "drained"
"""UID of the pod outside of whose journal no message waits any more."""
NOTE = PREFIX + "note."
"""And a hash of the request id: one turn."""

FINALIZER = PREFIX + "notes"
"""On a pod exactly while it carries notes."""

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NOT_IN_LABELS = re.compile(r"[^-A-Za-z0-9_.]+")
_LONGEST = 63
_HASH_LENGTH = 16


def is_label_value(text: str) -> bool:
    """Whether Kubernetes takes it as a label's value; "" does not count."""
    return _LABEL_VALUE.fullmatch(text) is not None


def label_value(text: str) -> str:
    """Itself where it is one, else the nearest one with a hash."""
    if is_label_value(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    readable = _NOT_IN_LABELS.sub("-", text)[: _LONGEST - _HASH_LENGTH - 1].strip("-_.")
    return f"{readable}-{digest}" if readable else digest


def labels(user_id: str, agent_id: str) -> dict[str, str]:
    """Of every object of that agent."""
    return {**COMMON, USER_ID: label_value(user_id), AGENT_ID: agent_id}
