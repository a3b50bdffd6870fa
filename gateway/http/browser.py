"""Keeps web pages in the user's browser from driving agents where no key protects them.

A page of any site can send requests to an address of the user's own machine:
cross-site ones, which carry their `Origin`, and, once its name has been rebound
to 127.0.0.1, same-origin ones, which carry the site's name as `Host`. Scripts
can send neither a JSON content type (which `endpoint` asks for) nor another
method than GET and POST across sites without a preflight, which is not answered.
"""

import ipaddress
from collections.abc import Collection

from starlette.requests import Request

from gateway.http.problems import Problem

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class PageGuard:
    """For gateways without keys.

    Args:
        origins: allowed to call from a browser (CORS_ORIGINS).
        loopback: it listens on loopback only, so every honest Host is a loopback name.
    """

    def __init__(self, origins: Collection[str], *, loopback: bool) -> None:
        self._origins = frozenset(origins)
        self._loopback = loopback

    def check(self, request: Request) -> None:
        """Raises Problem 421 or 403."""
        if self._loopback:
            self._check_host(request)
        if request.method in _CHANGING:
            self._check_origin(request)

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        if len(hosts) != 1 or not is_loopback(host_name(hosts[0])):
            raise Problem(
                421,
                "this gateway listens on loopback without API keys and answers to 127.0.0.1, "
                "[::1] and localhost only; set FORGE_KEYS_FILE to serve other names",
            )

    def _check_origin(self, request: Request) -> None:
        for origin in request.headers.getlist("origin"):
            own = f"{request.url.scheme}://{request.headers.get('host', '')}"
            if origin != own and origin not in self._origins:
                raise Problem(
                    403, "pages of this Origin may not call; CORS_ORIGINS lists those that may"
                )


def host_name(host: str) -> str:
    """A Host header without its port; brackets of an IPv6 address stay."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def is_loopback(name: str) -> bool:
    """Whether a host's name means this machine whatever a name server says.

    IPv6 addresses may stand in brackets.
    """
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
