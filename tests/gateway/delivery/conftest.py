"""A receiver, and a poster with short times."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from gateway.delivery.attempt import Poster
from gateway.delivery.destination import NO_BYPASS, Bypass
from gateway.delivery.guard import LOOPBACK, Guard, Network
from gateway.delivery.policy import Policy
from tests.peers.receiver import Receiver

Posting = Callable[..., AbstractAsyncContextManager[Poster]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def posting() -> Posting:
    """Makes a started poster that may go to loopback; other keywords are the policy's."""

    @asynccontextmanager
    async def make(
        *,
        bypass: Bypass = NO_BYPASS,
        allowed: Iterable[Network] = LOOPBACK,
        own_port: int = 0,
        proxy: str = "",
        name_server: int | None = None,
        **policy: Any,
    ) -> AsyncIterator[Poster]:
        poster = Poster(
            Policy(**policy),
            guard=Guard(allowed, own_port=lambda: own_port),
            bypass=bypass,
            proxy=proxy,
            name_servers=None if name_server is None else [f"127.0.0.1:{name_server}"],
        )
        await poster.start()
        try:
            yield poster
        finally:
            await poster.close()

    return make
