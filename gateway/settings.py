"""The gateway's environment, read once into one frozen object.

`Settings` is the single source: its names, defaults, bounds and descriptions
are what is enforced and what docs/settings.md shows.
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta

from gateway.errors import SettingsError

IGNORED = ("DATABASE_URL", "READ_TIMEOUT", "WRITE_TIMEOUT")
"""Accepted for the sake of Forge's deployments; one log line says they do nothing."""

_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_WORD = re.compile(r"[\x21-\x7e]+")
_NOT_IN_HOSTS = frozenset(" :/?#@[]*\\")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_H = 8760


class Duration(float):
    """Seconds, written in Go's form: `500ms`, `10s`, `1m30s`, `1.5h`; a year at most."""

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = _GO_DURATION.findall(text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError("a duration such as 500ms, 10s, 1m30s or 1.5h is needed")
        seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
        if seconds > _LONGEST_H * 3600:
            raise ValueError(f"a duration of at most {_LONGEST_H}h is needed")
        return cls(seconds)


class Patience(Duration):
    """A duration within which something must happen."""

    @classmethod
    def parse(cls, text: str) -> Self:
        patience = super().parse(text)
        if patience < _UNIT_S["ms"]:
            raise ValueError("a duration of at least 1ms is needed")
        return patience


class Word(str):
    """Printable ASCII without spaces."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _WORD.fullmatch(text):
            raise ValueError("printable ASCII without spaces and line ends is needed")
        return cls(text)


class Hosts(str):
    """Names of hosts with commas between them."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        hosts = [host.strip(" ") for host in text.split(",")]
        for host in filter(None, hosts):
            if not _is_host(host):
                raise ValueError(
                    f"{host!r} is no host; each must look like app.example.com, without a "
                    "scheme, port or path"
                )
        return cls(",".join(filter(None, hosts)))


def _is_host(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return host.isprintable() and not _NOT_IN_HOSTS & set(host)
    return True


class Origins(tuple[str, ...]):
    """Origins of web pages as browsers send them, written with commas between them."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        origins = [origin.strip() for origin in text.split(",") if origin.strip()]
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin; each must look like https://app.example.com, "
                    "in lower case and without a path"
                )
        return cls(dict.fromkeys(origins))


class Networks(tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]):
    """Networks in CIDR form, written with commas between them."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        networks = [network.strip() for network in text.split(",") if network.strip()]
        try:
            return cls(ipaddress.ip_network(network) for network in networks)
        except ValueError as error:
            raise ValueError(f"{error}; networks such as 10.0.0.0/8,fd00::/8 are needed") from error


class ProxyUrl(str):
    """A proxy's address. It may hold a password, so no message repeats it."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("a URL such as http://proxy.example.com:3128 is needed")
        return cls(text)


def _default_state() -> Path:
    return Path(platformdirs.user_data_dir("forge"))


def _default_runtime() -> Path:
    """The same whatever the environment, so that gateways find each other's agents."""
    return Path(f"/tmp/forge-{os.geteuid()}")  # noqa: S108 - the launcher refuses what others made


Port = Annotated[int, Meta(ge=0, le=65535)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
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
    launcher: Annotated[Literal["local"], Meta(description="What makes agents")] = msgspec.field(
        name="FORGE_LAUNCHER", default="local"
    )
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
        try:
            return msgspec.convert(given, cls, strict=False, dec_hook=_decode)
        except msgspec.ValidationError as error:
            raise SettingsError(_sentence(error, cls)) from error

    def __repr__(self) -> str:
        return f"Settings(host={self.host!r}, port={self.port})"


def ignored(env: Mapping[str, str]) -> list[str]:
    """The variables that are set, accepted and without effect."""
    return [name for name in IGNORED if env.get(name)]


def _decode(kind: type, value: Any) -> Any:
    if issubclass(kind, Duration | Origins | Word | Hosts | Networks | ProxyUrl):
        return kind.parse(value)
    if kind is Path:
        return Path(value).expanduser()
    raise NotImplementedError(kind)


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
        words = ""
        if isinstance(kind.type, msgspec.inspect.LiteralType):
            words = f"; one of {', '.join(map(str, kind.type.values))}"
        return f"{words} ({(kind.extra_json_schema or {}).get('description', '')})"
    return ""
