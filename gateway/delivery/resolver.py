"""Names to addresses, without threads, and guarded.

An answer with one address that is refused is refused as a whole: whoever mixes
them is after the one that is checked being not the one that is connected to.
"""

import asyncio
import socket

from aiohttp import AsyncResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.delivery.guard import Guard

_TRIES = 2


class NameServersSilent(OSError):
    """No name server answered in time."""


class GuardedResolver(AbstractResolver):
    """What the guard refuses is resolved to nothing. Made inside the event loop."""

    def __init__(
        self, guard: Guard | None, *, timeout_s: float, name_servers: list[str] | None = None
    ) -> None:
        """`guard` None: whatever there is. `name_servers` None: the system's."""
        self._guard = guard
        self._timeout_s = timeout_s
        self._names = AsyncResolver(
            nameservers=name_servers, timeout=timeout_s / _TRIES, tries=_TRIES
        )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError: there is no answer; AddressRefused: or a refused one."""
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._names.resolve(host, port, family)
        except TimeoutError as error:
            raise NameServersSilent("no name server answered in time") from error
        if self._guard is not None:
            for result in found:
                self._guard.check(result["host"], port)
        return found

    async def close(self) -> None:
        await self._names.close()
