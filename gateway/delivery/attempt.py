"""One attempt: one POST of one event, within one deadline.

The status line decides. The body is read, a little of it, only so that the
connection can be used again; it is never inflated and never looked at.
"""

import asyncio
import io
import socket
import time
from collections.abc import Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from gateway.delivery.answer import Answer, Verdict, judge
from gateway.delivery.payload import Post
from gateway.delivery.policy import Policy
from gateway.delivery.signature import Signer
from gateway.model import Target
from gateway.settings import Settings

MAX_RESPONSE_BYTES = 64 * 1024
USER_AGENT = "Forge-Platform/1.0"

_LARGE_BODY_BYTES = 512 * 1024
"""From here on aiohttp wants a stream, which it sends in pieces."""


@dataclass(frozen=True, slots=True)
class Bypass:
    """A token that protected deployments ask for; sent to these hosts only."""

    token: str = field(default="", repr=False)
    hosts: Collection[str] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        hosts = (host.strip().lower() for host in settings.bypass_hosts.split(","))
        return cls(settings.bypass_token, frozenset(filter(None, hosts)))

    def headers(self, host: str | None) -> Mapping[str, str]:
        if not self.token or host is None or host not in self.hosts:
            return {}
        return {"x-vercel-protection-bypass": self.token}


@dataclass(frozen=True, slots=True)
class Destination:
    """A target, made ready once for all the events of a turn."""

    url: URL
    signer: Signer
    extra: Mapping[str, str] = field(repr=False)

    def headers(self, post: Post) -> dict[str, str]:
        headers = self.signer.headers(post.webhook_id, post.body, at_s=int(time.time()))
        return {**headers, **self.extra} if self.extra else headers


@dataclass(slots=True)
class _Exchange:
    """How far one attempt got; written by the attempt alone. `fresh`: it had to connect."""

    fresh: bool = False
    status: int = 0
    retry_after: str | None = None


_at_hand: ContextVar[_Exchange] = ContextVar("attempt at hand")


class Poster:
    """Posts for the whole gateway: one pool of connections, no limit per host.

    Without such a limit a dead host cannot hold others up; what is open is
    bounded by the turns, each of which has one attempt in flight at most.
    """

    def __init__(
        self, policy: Policy, *, bypass: Bypass, resolver: AbstractResolver | None = None
    ) -> None:
        self._policy = policy
        self._bypass = bypass
        self._resolver = resolver
        self._own_resolver: AbstractResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        if self._resolver is None:
            self._own_resolver = aiohttp.AsyncResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=self._resolver or self._own_resolver,
                socket_factory=_connect_freshly,
            ),
            headers={
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # attempt() has its own
            auto_decompress=False,
            trust_env=False,
            read_bufsize=MAX_RESPONSE_BYTES // 2,  # aiohttp holds up to twice that
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._own_resolver is not None:
            await self._own_resolver.close()

    def destination(self, target: Target) -> Destination:
        """Raises ValueError for a target that `check_target` would have refused."""
        url = URL(target.webhook_url)
        return Destination(url, Signer.of(target.webhook_secret), self._bypass.headers(url.host))

    async def attempt(self, destination: Destination, post: Post) -> Answer:
        """Post once. Whatever the other side does is an Answer, within the policy's timeout_s."""
        exchange = _Exchange()
        error = ""
        try:
            async with asyncio.timeout(self._policy.timeout_s):
                await self._repeat_if_stale(destination, post, exchange)
        except TimeoutError:
            error = f"no answer within {self._policy.timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            error = _words(failure)
        if exchange.status:
            return judge(
                exchange.status,
                exchange.retry_after,
                longest_retry_after_s=self._policy.longest_retry_after_s,
            )
        return Answer(Verdict.RETRY, error=error)

    async def _repeat_if_stale(
        self, destination: Destination, post: Post, exchange: _Exchange
    ) -> None:
        """An idle connection may have been closed under us, which is nobody's failure."""
        headers = destination.headers(post)
        _at_hand.set(exchange)
        try:
            await self._exchange(destination.url, headers, post.body, exchange)
        except aiohttp.ClientConnectionError:
            if exchange.status or exchange.fresh:
                raise
            await self._exchange(destination.url, headers, post.body, exchange)

    async def _exchange(
        self, url: URL, headers: Mapping[str, str], body: bytes, exchange: _Exchange
    ) -> None:
        assert self._session is not None  # started before any turn is relayed
        async with self._session.post(
            url,
            data=body if len(body) < _LARGE_BODY_BYTES else io.BytesIO(body),
            headers=headers,
            allow_redirects=False,
        ) as response:
            exchange.retry_after = response.headers.get("Retry-After")
            exchange.status = response.status
            await _drain(response)


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read to the end, so that the connection is free again; a long body ends it instead."""
    left = MAX_RESPONSE_BYTES
    while left > 0:
        chunk = await response.content.read(left)
        if not chunk:
            return
        left -= len(chunk)
    response.close()


def _connect_freshly(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket of a new connection, and note for whose attempt."""
    exchange = _at_hand.get(None)
    if exchange is not None:
        exchange.fresh = True
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _words(failure: Exception) -> str:
    """Why there was no answer. Never the exception's own text, which may hold the URL."""
    match failure:
        case aiohttp.ClientConnectorDNSError():
            return "the host's name could not be resolved"
        case aiohttp.ClientSSLError():
            return "the TLS handshake failed"
        case aiohttp.ClientConnectorError():
            return f"could not connect: {failure.strerror or 'unknown'}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | ConnectionError():
            return "the connection was closed before an answer"
        case _:
            return f"the answer could not be read ({type(failure).__name__})"
