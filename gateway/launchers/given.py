"""What a caller gives for a new agent, refused where no launcher could use it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

from gateway.errors import BadRequest, UnknownBackend, Unsupported
from gateway.model import AgentSpec

MAX_ENV_BYTES = 64 * 1024
"""Of the names and values given for one agent."""

_BACKENDS = "agent_runtime.backends"
_ASKING = "agent_runtime.backends.permissions"
"""Entry-point groups; only the names in them are of interest here."""
_RESERVED = re.compile(r"FORGE_.*|AGENT_ID|AGENT_CWD|AGENT_MODEL|PERMISSION_MODE|PORT")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Backends:
    """Those that are installed. `asking`: what has the capability `permissions`."""

    names: frozenset[str] = frozenset()
    asking: frozenset[str] = frozenset()

    @classmethod
    def installed(cls) -> "Backends":
        """Blocking."""
        names, asking = (entry_points(group=group).names for group in (_BACKENDS, _ASKING))
        return cls(frozenset(names), frozenset(asking))


def check(spec: AgentSpec, backends: Backends) -> None:
    """Refuse what cannot be passed on, or would speak for the launcher.

    Raises:
        UnknownBackend: lists the known ones.
        Unsupported: a policy for a backend that never asks.
        BadRequest: names the field and, of `env`, the variable.
    """
    if spec.backend not in backends.names:
        known = ", ".join(sorted(backends.names))
        raise UnknownBackend(f"backend: there is no {spec.backend[:64]!r} here, but {known}")
    if spec.policy and spec.backend not in backends.asking:
        raise Unsupported(f"policy: the backend {spec.backend!r} has no 'permissions'")
    _check_env(spec.env)
    for field, value in (("model", spec.model), ("permission_mode", spec.permission_mode)):
        if "\0" in value:
            raise BadRequest(f"{field}: a NUL character cannot be passed on")


def _check_env(env: Mapping[str, str]) -> None:
    for name, value in env.items():
        if not _NAME.fullmatch(name):
            raise BadRequest(f"env: {name[:64]!r} is no variable name ([A-Za-z_][A-Za-z0-9_]*)")
        if _RESERVED.fullmatch(name):
            raise BadRequest(f"env: {name} is reserved; the agent's own settings are fields")
        if "\0" in value:
            raise BadRequest(f"env: the value of {name} holds a NUL character")
    if sum(len(f"{name}={value}".encode()) for name, value in env.items()) > MAX_ENV_BYTES:
        raise BadRequest(f"env: at most {MAX_ENV_BYTES // 1024} KiB of names and values are taken")
