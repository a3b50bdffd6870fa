"""What variables can hold besides plain text and numbers: each form parses its own.

`parse` raises ValueError with the form that is needed; msgspec makes of it an
error that names the variable.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from msgspec import Meta

_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?")
_WORD = re.compile(r"[\x21-\x7e]+")
_NOT_IN_HOSTS = frozenset(" :/?#@[]*\\")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_H = 8760
_MAX_PORT = 65535
_LONGEST_NAME = 253
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|[KMGTPE]i|[MGTPE])?")
_IMAGE_PART = re.compile(r"[A-Za-z0-9]+([._:/@-]+[A-Za-z0-9]+)*")


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


class DnsLabel(str):
    """A name that Kubernetes takes for a namespace (RFC 1123 label)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _DNS_LABEL.fullmatch(text):
            raise ValueError("up to 63 of a-z, 0-9 and -, no - at either end, are needed")
        return cls(text)


class DnsName(str):
    """A name that Kubernetes takes for most of its objects (RFC 1123 subdomain)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) > _LONGEST_NAME or not all(map(_DNS_LABEL.fullmatch, text.split("."))):
            raise ValueError("DNS labels of a-z, 0-9 and - with dots between them are needed")
        return cls(text)


class Quantity(str):
    """An amount as Kubernetes writes it, more than 0: `500m`, `2`, `512Mi`, `10Gi`."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _QUANTITY.fullmatch(text) or not text.strip("0.mkMGTPEi"):
            raise ValueError("an amount such as 500m, 2, 512Mi or 10Gi is needed")
        return cls(text)


class ImagePart(str):
    """One part of an image's name."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _IMAGE_PART.fullmatch(text):
            raise ValueError("a part of an image's name is needed, such as ghcr.io or acme/agents")
        return cls(text)


class HostPort(str):
    """A host and a port, as gRPC dials them."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        host, _, port = text.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not bare or not _is_host(bare) or not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
            raise ValueError("host:port is needed, such as forge-gateway:9090")
        return cls(text)


class Host(str):
    """A name or an address, without a port."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if not _is_host(text):
            raise ValueError("a host is needed, such as 192.168.49.2 or node.example.com")
        return cls(text)


Port = Annotated[int, Meta(ge=0, le=65535)]


def decode(kind: type, value: Any) -> Any:
    """msgspec's hook for all of them. Raises ValueError with the form that is needed."""
    if issubclass(kind, _FORMS):
        return kind.parse(value)
    if kind is Path:
        return Path(value).expanduser()
    raise NotImplementedError(kind)


_FORMS = (
    Duration,
    Word,
    Hosts,
    Origins,
    Networks,
    ProxyUrl,
    DnsLabel,
    DnsName,
    Quantity,
    ImagePart,
    HostPort,
    Host,
)
