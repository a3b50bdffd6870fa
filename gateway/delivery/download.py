"""Fetching what a caller names by URL, under the guard that webhooks have."""

import asyncio
import functools
import socket

import aiohttp
from yarl import URL

from gateway.delivery.failure import told
from gateway.delivery.guard import AddressRefused, Guard
from gateway.delivery.resolver import GuardedResolver
from gateway.errors import BadRequest, Unavailable

AT_ONCE = 8
"""Downloads of one gateway at the same time; each may hold its limit in memory."""
TIMEOUT_S = 20.0
"""Of one download, with the wait for its turn."""

_NAMES_S = 5.0
_CHUNK_BYTES = 64 * 1024


class Downloader:
    """One pool of connections, made inside the event loop by `start`."""

    def __init__(
        self,
        guard: Guard,
        *,
        proxy: str = "",
        name_servers: list[str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`proxy` "": connections are made from here, `name_servers` None: the system's."""
        self._guard = guard
        self._proxy = URL(proxy) if proxy else None
        self._name_servers = name_servers
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._resolver: GuardedResolver | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        guard = None if self._proxy else self._guard  # a proxy alone is connected to
        self._resolver = GuardedResolver(guard, timeout_s=_NAMES_S, name_servers=self._name_servers)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                resolver=self._resolver,
                socket_factory=functools.partial(_guarded_socket, guard),
                force_close=True,
            ),
            headers={"Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # get() has its own
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def get(self, url: str, *, limit_bytes: int) -> bytes:
        """The content, within the time limit; redirects are not followed.

        Raises:
            BadRequest: it is refused, too large, or no 200; says why, without the URL.
            Unavailable: so much is downloaded now that this had no turn in time.
        """
        try:
            self._guard.check_literal(URL(url))
        except (AddressRefused, ValueError) as refused:
            raise BadRequest(str(refused)) from refused
        waits = True
        try:
            async with asyncio.timeout(self._timeout_s), self._turns:
                waits = False
                return await self._fetch(url, limit_bytes)
        except TimeoutError as error:
            if waits:
                raise Unavailable("too many downloads at the same time") from error
            raise BadRequest(f"it did not come within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            raise BadRequest(told(failure).error) from failure

    async def _fetch(self, url: str, limit_bytes: int) -> bytes:
        assert self._session is not None  # started before any request is taken
        async with self._session.get(url, allow_redirects=False, proxy=self._proxy) as response:
            if response.status != 200:
                raise BadRequest(f"its server answered {response.status}; 200 is needed")
            if (response.content_length or 0) > limit_bytes:
                raise _too_large(limit_bytes)
            content = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                content += chunk
                if len(content) > limit_bytes:
                    raise _too_large(limit_bytes)
            return bytes(content)


def _too_large(limit_bytes: int) -> BadRequest:
    return BadRequest(f"it is larger than the {limit_bytes} bytes that are left for it")


def _guarded_socket(guard: Guard | None, address: aiohttp.AddrInfoType) -> socket.socket:
    """Every connection passes here, also one to an address that no resolver has seen."""
    family, kind, protocol, _, numbers = address
    if guard is not None:
        guard.check(str(numbers[0]), int(numbers[1]))
    return socket.socket(family, kind, protocol)
