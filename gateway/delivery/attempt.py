"""One attempt: one POST of one event, within one deadline.

The status line decides. The body is read, a little of it, only so that the
connection can be used again; it is never inflated and never looked at.
"""

import asyncio
import functools
import io
import random
import socket
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass

import aiohttp
from yarl import URL

from gateway.delivery.answer import UNKNOWN, Answer, Verdict, judge
from gateway.delivery.breaker import Breaker
from gateway.delivery.connection import Connector
from gateway.delivery.destination import NO_BYPASS, Bypass, Destination
from gateway.delivery.failure import ours, told
from gateway.delivery.guard import Guard
from gateway.delivery.payload import Post
from gateway.delivery.policy import Policy
from gateway.delivery.resolver import GuardedResolver
from gateway.model import Target

MAX_RESPONSE_BYTES = 64 * 1024
USER_AGENT = "Forge-Platform/1.0"

_LARGE_BODY_BYTES = 512 * 1024
"""From here on aiohttp wants a stream, which it sends in pieces."""


@dataclass(slots=True)
class _Exchange:
    """How far one attempt got; written by the attempt alone. `fresh`: it had to connect."""

    fresh: bool = False
    status: int = 0
    retry_after: str | None = None


_at_hand: ContextVar[_Exchange] = ContextVar("attempt at hand")


class Poster:
    """Posts for the whole gateway: one pool of connections.

    Nobody waits for a connection, so a dead host cannot hold others up; beyond so
    many attempts in flight to one origin the next ones are left to their agents.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        guard: Guard,
        bypass: Bypass = NO_BYPASS,
        proxy: str = "",
        name_servers: list[str] | None = None,
    ) -> None:
        """`proxy` "": connections are made from here, `name_servers` None: the system's."""
        self.policy = policy
        self._guard = guard
        self._bypass = bypass
        self._proxy = URL(proxy) if proxy else None
        self._name_servers = name_servers
        self._breaker = Breaker(
            failures=policy.circuit_failures,
            first_wait_s=policy.circuit_wait_s,
            longest_wait_s=policy.longest_wait_s,
            probe_s=policy.timeout_s,
        )
        self._in_flight: dict[str, int] = {}  # by origin
        self._resolver: GuardedResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # A proxy has an address of our network as a rule, and it alone is connected to.
        guard = None if self._proxy else self._guard
        self._resolver = GuardedResolver(
            guard, timeout_s=self.policy.name_s, name_servers=self._name_servers
        )
        self._session = aiohttp.ClientSession(
            connector=Connector(
                limit=0,
                resolver=self._resolver,
                socket_factory=functools.partial(_connect_freshly, guard),
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
        if self._resolver is not None:
            await self._resolver.close()

    def destination(self, target: Target) -> Destination:
        """Raises ValueError for a target that `check_target` would have refused."""
        return Destination.of(target, guard=self._guard, bypass=self._bypass)

    async def attempt(self, destination: Destination, post: Post) -> Answer:
        """Post once, if the host's circuit lets it.

        Whatever the other side does is an Answer, within the policy's timeout_s.
        """
        if destination.refused:
            return Answer(Verdict.RETRY, error=destination.refused, blames_host=False)
        origin = destination.origin
        in_flight = self._in_flight.get(origin, 0)
        if in_flight >= self.policy.attempts_per_origin:
            wait_s = self.policy.room_wait_s * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
            return Answer(Verdict.HELD, error="the host is kept busy", retry_after_s=wait_s)
        if wait_s := self._breaker.enter(origin):
            return Answer(Verdict.HELD, error="the host failed too often", retry_after_s=wait_s)
        self._in_flight[origin] = in_flight + 1
        answer = UNKNOWN
        try:
            answer = await self._try(destination, post)
        finally:
            self._leave(origin)
            self._learn(origin, answer)
        return answer

    def _leave(self, origin: str) -> None:
        left = self._in_flight.pop(origin) - 1
        if left:
            self._in_flight[origin] = left

    def _learn(self, origin: str, answer: Answer) -> None:
        if answer.blames_host:
            self._breaker.failed(origin)
        elif answer.status:
            self._breaker.succeeded(origin)
        else:
            self._breaker.left(origin)

    async def _try(self, destination: Destination, post: Post) -> Answer:
        exchange = _Exchange()
        answer = UNKNOWN
        try:
            async with asyncio.timeout(self.policy.timeout_s):
                await self._repeat_if_stale(destination, post, exchange)
        except TimeoutError:
            error = f"no answer within {self.policy.timeout_s:g} s"
            answer = Answer(Verdict.RETRY, error=error, blames_host=True)
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            answer = told(failure)
        except Exception as failure:  # noqa: BLE001 - one turn's failure ends no relay of all turns
            answer = ours(failure)
        if not exchange.status:
            return answer
        return judge(
            exchange.status,
            exchange.retry_after,
            longest_retry_after_s=self.policy.longest_retry_after_s,
        )

    async def _repeat_if_stale(
        self, destination: Destination, post: Post, exchange: _Exchange
    ) -> None:
        """An idle connection may have been closed under us, which is nobody's failure."""
        headers = destination.headers(post)
        _at_hand.set(exchange)
        try:
            await self._exchange(destination.url, headers, post.body, exchange)
        except aiohttp.ClientConnectorError:
            raise
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
            proxy=self._proxy,
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


def _connect_freshly(guard: Guard | None, address: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket of a new connection, and note for whose attempt.

    Every connection passes here, also one to an address that no resolver has seen.
    """
    family, kind, protocol, _, numbers = address
    if guard is not None:
        guard.check(str(numbers[0]), int(numbers[1]))
    exchange = _at_hand.get(None)
    if exchange is not None:
        exchange.fresh = True
    return socket.socket(family, kind, protocol)
