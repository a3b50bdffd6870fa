"""The runtime's environment, read once into one frozen object."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta

from agent_runtime.errors import SettingsError

OWN_VARIABLES = re.compile(r"FORGE_.*|AGENT_ID|AGENT_CWD|AGENT_MODEL|PERMISSION_MODE|PORT")
"""What is never passed on to a CLI."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Seconds = Annotated[float, Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read by `Settings.from_env`; every field's `name` is its variable.

    In `state_dir` live: `lock`, `journal.db`, `home/` (the CLI's own state), and
    two marks: `clean` (nothing is left to do here) and `deleted` (deliver what is
    left, then end; written by the launcher).
    """

    agent_id: Annotated[
        str, Meta(description="Names the agent", pattern="^[A-Za-z0-9._-]{1,128}$")
    ] = msgspec.field(name="AGENT_ID")
    state_dir: Annotated[Path, Meta(description="Folder of the journal, locked for life")] = (
        msgspec.field(name="FORGE_STATE_DIR")
    )
    workspace: Annotated[Path, Meta(description="Folder the CLI works in")] = msgspec.field(
        name="AGENT_CWD", default_factory=lambda: Path("/home/agent/workspace")
    )
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)],
        Meta(description="TCP port of gRPC, where FORGE_LISTEN is unset"),
    ] = msgspec.field(name="PORT", default=8080)
    listen: Annotated[
        str, Meta(description="gRPC address instead of 0.0.0.0:PORT, such as unix:/run/agent.sock")
    ] = msgspec.field(name="FORGE_LISTEN", default="")
    client_token_sha256: Annotated[
        Sha256, Meta(description="SHA-256 of the token of direct clients, in hex")
    ] = msgspec.field(name="FORGE_CLIENT_TOKEN_SHA256")
    relay_token_sha256: Annotated[
        Sha256, Meta(description="SHA-256 of the token of gateways, in hex")
    ] = msgspec.field(name="FORGE_RELAY_TOKEN_SHA256")
    nudge: Annotated[
        str,
        Meta(description="Where gateways take nudges: host:port, or dir:/folder of gateway-*.sock"),
    ] = msgspec.field(name="FORGE_NUDGE", default="")
    backend: Annotated[str, Meta(description="Name of the backend")] = msgspec.field(
        name="FORGE_BACKEND", default="opencode"
    )
    model: Annotated[str, Meta(description="Model; unset: the CLI's default")] = msgspec.field(
        name="AGENT_MODEL", default=""
    )
    permission_mode: Annotated[
        Literal["default", "acceptEdits", "bypassPermissions"],
        Meta(description="What the CLI may do without being asked"),
    ] = msgspec.field(name="PERMISSION_MODE", default="acceptEdits")
    policy: Annotated[
        str, Meta(description="What to allow, to ask and to deny, as JSON; see docs/api.md")
    ] = msgspec.field(name="FORGE_POLICY", default="")
    turn_limit_s: Annotated[
        Annotated[float, Meta(gt=0)], Meta(description="Longest running time of a turn, in seconds")
    ] = msgspec.field(name="FORGE_TURN_LIMIT_S", default=1800.0)
    grace_s: Annotated[
        Seconds, Meta(description="How long a graceful end waits for the running turn, in seconds")
    ] = msgspec.field(name="FORGE_GRACE_S", default=10.0)
    pod_uid: Annotated[
        str,
        Meta(
            description="UID of the pod: messages may have waited for it, and come first; "
            "unset: no pod",
            pattern="^[A-Za-z0-9-]{1,64}$",
        ),
    ] = msgspec.field(name="FORGE_POD_UID", default="")
    journal: Annotated[
        Literal["kept", "volatile"],
        Meta(description="`volatile`: the state folder goes when the pod goes (emptyDir)"),
    ] = msgspec.field(name="FORGE_JOURNAL", default="kept")
    idle_exit_s: Annotated[
        Seconds, Meta(description="End when idle, delivered and unused this long; 0: never")
    ] = msgspec.field(name="FORGE_IDLE_EXIT_S", default=0.0)

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Self:
        """Read what is set and not empty; everything else has its default.

        Raises:
            SettingsError: names the variable and what would be right.
        """
        known = {field.encode_name for field in msgspec.structs.fields(cls)}
        given = {name: env[name] for name in known if env.get(name)}
        try:
            return msgspec.convert(given, cls, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            problem, _, where = str(error).partition(" - at `$.")
            raise SettingsError(f"{where.rstrip('`') or 'environment'}: {problem}") from error

    @property
    def address(self) -> str:
        return self.listen or f"0.0.0.0:{self.port}"

    @property
    def in_pod(self) -> bool:
        return bool(self.pod_uid)

    @property
    def volatile(self) -> bool:
        """Whether the journal goes when the pod goes."""
        return self.journal == "volatile"

    @staticmethod
    def cli_env(env: Mapping[str, str]) -> dict[str, str]:
        """What of the runtime's environment a CLI may see."""
        return {name: value for name, value in env.items() if not OWN_VARIABLES.fullmatch(name)}


def _decode(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)
