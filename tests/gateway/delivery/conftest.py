"""A receiver, and a poster with short times."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from gateway.delivery.attempt import Bypass, Poster
from gateway.delivery.policy import Policy
from tests.peers.receiver import Receiver

Posting = Callable[..., AbstractAsyncContextManager[Poster]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture
def posting() -> Posting:
    """Makes a started poster; the keywords are the policy's, and `bypass` and `resolver`."""

    @asynccontextmanager
    async def make(
        *, bypass: Bypass | None = None, resolver: Any = None, **policy: Any
    ) -> AsyncIterator[Poster]:
        poster = Poster(Policy(**policy), bypass=bypass or Bypass(), resolver=resolver)
        await poster.start()
        try:
            yield poster
        finally:
            await poster.close()

    return make
