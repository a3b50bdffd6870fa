"""Which gateway a command talks to, with which key, for which owner."""

import getpass
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

import click

from gateway.cli.errors import Trouble

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """`user` None: the owner is left to the API key, which has just one."""

    url: str
    api_key: str = field(default="", repr=False)
    user: str | None = None

    @classmethod
    def of(cls, *, url: str, api_key: str, user: str | None) -> Self:
        """Raises Trouble where URL or key could never work."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Trouble(f"FORGE_URL is {url!r}; a URL such as {DEFAULT_URL} is needed")
        key = api_key.strip()
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise Trouble("FORGE_API_KEY is no API key; `forge keys new` makes one")
        return cls(url=url.rstrip("/"), api_key=key, user=user or (None if key else login_name()))

    @property
    def on_this_machine(self) -> bool:
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def login_name() -> str:
    """Who owns agents when nobody is named."""
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # a uid without an entry, as containers have
        raise Trouble("this user has no login name; give --user NAME") from error


def connected(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --user to a command, which gets `connection` in their place."""

    @click.option("--url", envvar="FORGE_URL", default=DEFAULT_URL, help="Gateway [FORGE_URL].")
    @click.option(
        "--user",
        envvar="FORGE_USER",
        help="Owner of the agents [FORGE_USER]; else the API key's, else your login name.",
    )
    @wraps(command)
    def with_connection(*, url: str, user: str | None, **rest: Any) -> Any:
        # No option: a key on a command line is seen by every user of the machine.
        key = os.environ.get("FORGE_API_KEY", "")
        return command(connection=Connection.of(url=url, api_key=key, user=user), **rest)

    return with_connection
