"""The gateway's environment, read once into one frozen object.

`Settings` is the single source: its names, defaults, bounds and descriptions
are what is enforced and what docs/settings.md shows.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec
import platformdirs
from msgspec import Meta

from gateway.errors import SettingsError
from gateway.podsettings import PodSettings
from gateway.variables import (
    Duration,
    Hosts,
    Networks,
    Origins,
    Patience,
    Port,
    ProxyUrl,
    Word,
    decode,
)

IGNORED = ("DATABASE_URL", "READ_TIMEOUT", "WRITE_TIMEOUT")
"""Accepted for the sake of Forge's deployments; one log line says they do nothing."""

_OF_A_CLUSTER = ("KUBERNETES_SERVICE_HOST", "KUBE_CONFIG_PATH")
"""The first is in every container of a pod."""


def _default_state() -> Path:
    return Path(platformdirs.user_data_dir("forge"))


def _default_runtime() -> Path:
    """The same whatever the environment, so that gateways find each other's agents."""
    return Path(f"/tmp/forge-{os.geteuid()}")  # noqa: S108 - the launcher refuses what others made


class Settings(PodSettings, frozen=True, kw_only=True):
    """Read by `Settings.from_env`; every field's `name` is its variable."""

    host: Annotated[str, Meta(description="Address the HTTP API listens on")] = msgspec.field(
        name="FORGE_HOST", default="127.0.0.1"
    )
    port: Annotated[Port, Meta(description="TCP port of the HTTP API; 0 picks a free one")] = (
        msgspec.field(name="PORT", default=8080)
    )
    debug: Annotated[bool, Meta(description="Log at debug level")] = msgspec.field(
        name="DEBUG", default=False
    )
    auth: Annotated[
        Literal["on", "off"],
        Meta(description="`off` serves any address without API keys, with a warning"),
    ] = msgspec.field(name="FORGE_AUTH", default="on")
    keys_file: Annotated[
        Path | None,
        Meta(description="API keys (hashes and owners), re-read when it changes"),
    ] = msgspec.field(name="FORGE_KEYS_FILE", default=None)
    gateway_keys_file: Annotated[
        Path | None,
        Meta(description="Gateway keys mounted from a Secret; unset: those in FORGE_STATE_DIR"),
    ] = msgspec.field(name="FORGE_GATEWAY_KEYS_FILE", default=None)
    state_dir: Annotated[
        Path, Meta(description="Local launcher: agents' folders and the gateway keys")
    ] = msgspec.field(name="FORGE_STATE_DIR", default_factory=_default_state)
    runtime_dir: Annotated[
        Path, Meta(description="Local launcher: short folder for Unix sockets")
    ] = msgspec.field(name="FORGE_RUNTIME_DIR", default_factory=_default_runtime)
    launcher: Annotated[
        Literal["local", "kubernetes"],
        Meta(
            description="What makes agents; unset: kubernetes in a cluster or with "
            "KUBE_CONFIG_PATH, else local"
        ),
    ] = msgspec.field(name="FORGE_LAUNCHER", default="local")
    backend: Annotated[
        str,
        Meta(description="Backend of agents made without one", pattern=r"^[A-Za-z0-9._-]{1,64}\Z"),
    ] = msgspec.field(name="FORGE_BACKEND", default="command")
    origins: Annotated[
        Origins, Meta(description="Origins allowed to call from a browser, comma-separated")
    ] = msgspec.field(name="CORS_ORIGINS", default=Origins())
    shutdown_delay: Annotated[
        Duration,
        Meta(
            description="How long requests are still taken after SIGTERM, while /readyz answers "
            "503 and balancers find other gateways"
        ),
    ] = msgspec.field(name="FORGE_SHUTDOWN_DELAY", default=Duration(0))
    shutdown_timeout: Annotated[
        Duration, Meta(description="How long SIGTERM waits for requests and posts in flight")
    ] = msgspec.field(name="SHUTDOWN_TIMEOUT", default=Duration(10))
    create_timeout: Annotated[
        Patience, Meta(description="How long creating an agent waits until it is ready")
    ] = msgspec.field(name="FORGE_CREATE_TIMEOUT", default=Patience(60))
    max_body_bytes: Annotated[int, Meta(description="Largest request body in bytes", ge=1024)] = (
        msgspec.field(name="FORGE_MAX_BODY_BYTES", default=16 * 1024 * 1024)
    )
    max_attachments: Annotated[
        Annotated[int, Meta(ge=0, le=32)], Meta(description="Files that one message may have")
    ] = msgspec.field(name="FORGE_MAX_ATTACHMENTS", default=10)
    max_attachment_bytes: Annotated[
        Annotated[int, Meta(ge=0, le=24 * 1024 * 1024)],
        Meta(
            description="All files of one message together, in bytes; in a body they are a "
            "third larger"
        ),
    ] = msgspec.field(name="FORGE_MAX_ATTACHMENT_BYTES", default=10 * 1024 * 1024)
    webhook_timeout: Annotated[
        Patience, Meta(description="Total deadline of one delivery attempt")
    ] = msgspec.field(name="WEBHOOK_TIMEOUT", default=Patience(10))
    webhook_max_retries: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="Most attempts of one event; unset: no limit"),
    ] = msgspec.field(name="WEBHOOK_MAX_RETRIES", default=None)
    webhook_retry_for: Annotated[
        Duration, Meta(description="How long one event is tried, from its first failure")
    ] = msgspec.field(name="WEBHOOK_RETRY_FOR", default=Duration(24 * 3600))
    webhook_circuit_threshold: Annotated[
        int, Meta(ge=1, description="Failures of one host in a row that make deliveries wait")
    ] = msgspec.field(name="WEBHOOK_CIRCUIT_THRESHOLD", default=5)
    webhook_circuit_timeout: Annotated[
        Patience, Meta(description="How long they wait before one is tried; doubles up to 10m")
    ] = msgspec.field(name="WEBHOOK_CIRCUIT_TIMEOUT", default=Patience(60))
    webhook_allow_networks: Annotated[
        Networks,
        Meta(description="Private or special networks webhooks may go to, CIDR, comma-separated"),
    ] = msgspec.field(name="FORGE_WEBHOOK_ALLOW_NETWORKS", default=Networks())
    webhook_proxy: Annotated[
        ProxyUrl,
        Meta(description="HTTP proxy that makes the connections to receivers; unset: none"),
    ] = msgspec.field(name="FORGE_WEBHOOK_PROXY", default=ProxyUrl())
    bypass_token: Annotated[
        Word, Meta(description="Sent as x-vercel-protection-bypass to FORGE_BYPASS_HOSTS")
    ] = msgspec.field(name="VERCEL_BYPASS_TOKEN", default=Word())
    bypass_hosts: Annotated[
        Hosts, Meta(description="Hosts that get the bypass token, comma-separated")
    ] = msgspec.field(name="FORGE_BYPASS_HOSTS", default=Hosts())
    idle_exit: Annotated[
        Duration, Meta(description="Local agents idle, delivered and unused this long end")
    ] = msgspec.field(name="FORGE_IDLE_EXIT", default=Duration(1800))
    log_format: Annotated[
        Literal["auto", "json", "text"], Meta(description="auto: text on a terminal, else JSON")
    ] = msgspec.field(name="FORGE_LOG_FORMAT", default="auto")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read what is set and not empty; everything else has its default.

        Raises:
            SettingsError: names the variable and what would be right.
        """
        known = {field.encode_name for field in msgspec.structs.fields(cls)}
        given = {name: env[name] for name in known if env.get(name)}
        if any(env.get(name) for name in _OF_A_CLUSTER):
            given.setdefault("FORGE_LAUNCHER", "kubernetes")
        try:
            return msgspec.convert(given, cls, strict=False, dec_hook=decode)
        except msgspec.ValidationError as error:
            raise SettingsError(_sentence(error, cls)) from error

    def __repr__(self) -> str:
        return f"Settings(host={self.host!r}, port={self.port})"


def ignored(env: Mapping[str, str]) -> list[str]:
    """The variables that are set, accepted and without effect."""
    return [name for name in IGNORED if env.get(name)]


def _sentence(error: msgspec.ValidationError, model: type[Settings]) -> str:
    problem, _, where = str(error).partition(" - at `$.")
    name = where.rstrip("`")
    return f"{name}: {problem}{_right_form(model, name)}"


def _right_form(model: type[Settings], name: str) -> str:
    """What the variable is for, and the words it may be, where only some are."""
    info = msgspec.inspect.type_info(model)
    assert isinstance(info, msgspec.inspect.StructType)
    for described in info.fields:
        kind = described.type
        if described.encode_name != name or not isinstance(kind, msgspec.inspect.Metadata):
            continue
        words = "; one of " + ", ".join(_words(kind.type)) if _words(kind.type) else ""
        return f"{words} ({(kind.extra_json_schema or {}).get('description', '')})"
    return ""


def _words(kind: msgspec.inspect.Type) -> list[str]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return [word for part in kind.types for word in _words(part)]
    return list(map(str, kind.values)) if isinstance(kind, msgspec.inspect.LiteralType) else []
