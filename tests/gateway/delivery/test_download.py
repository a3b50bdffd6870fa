"""Downloads: what a URL gives, and everything that may be wrong with it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from gateway.delivery.download import AT_ONCE, Downloader
from gateway.delivery.guard import LOOPBACK, Guard, Network
from gateway.errors import BadRequest, Unavailable
from tests.peers.receiver import Receiver, Reply


@asynccontextmanager
async def downloading(
    *, allowed: Iterable[Network] = LOOPBACK, own_port: int = 0, timeout_s: float = 10
) -> AsyncIterator[Downloader]:
    guard = Guard(allowed, own_port=lambda: own_port)
    made = Downloader(guard, timeout_s=timeout_s)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def test_the_content_comes_whole(receiver: Receiver) -> None:
    """Byte for byte, up to the limit."""
    receiver.script.append(Reply(body=b"x" * 300_000))
    async with downloading() as download:
        assert await download.get(receiver.url, limit_bytes=300_000) == b"x" * 300_000
    (request,) = receiver.hooks
    assert request.method == "GET"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(status=404), "answered 404"),
        (Reply(status=302, headers={"location": "http://127.0.0.1:1/"}), "answered 302"),
        (Reply(body=b"x" * 101), "larger than the 100 bytes"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 101, close=True), "larger than the 100"),
        (Reply(close=True), "closed before an answer"),
        (Reply(raw=b"nonsense\r\n\r\n", close=True), "could not be read"),
    ],
)
async def test_what_is_no_file_is_refused(receiver: Receiver, reply: Reply, why: str) -> None:
    """In words, without the URL, which may hold a token."""
    receiver.default = lambda _: reply
    async with downloading() as download:
        with pytest.raises(BadRequest, match=why) as refused:
            await download.get(receiver.url + "?token=s3cret", limit_bytes=100)
    assert "s3cret" not in str(refused.value)


async def test_a_server_that_hangs_or_drips_holds_nobody(receiver: Receiver) -> None:
    """One limit over all of it."""
    receiver.script += [Reply(hang=True), Reply(body=b"x" * 50, drip_s=0.2)]
    async with downloading(timeout_s=0.5) as download:
        for _ in range(2):
            with pytest.raises(BadRequest, match=r"did not come within 0\.5 s"):
                await download.get(receiver.url, limit_bytes=100)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://10.0.0.1/x", "not public"),
        ("http://[::ffff:127.0.0.1]/x", "not public"),
        ("http://2130706433/x", "unusual form"),
        ("http://localhost/x", "not public"),
        ("http://nowhere.invalid/x", "could not be resolved"),
    ],
)
async def test_the_guard_stands_before_it(url: str, why: str) -> None:
    """What webhooks may not reach, files do not come from."""
    async with downloading(allowed=()) as download:
        with pytest.raises(BadRequest, match=why):
            await download.get(url, limit_bytes=100)


async def test_the_gateway_is_not_asked_itself(receiver: Receiver) -> None:
    """Its own address is nobody's file server."""
    async with downloading(own_port=receiver.port) as download:
        with pytest.raises(BadRequest, match="own address"):
            await download.get(receiver.url, limit_bytes=100)
    assert receiver.hooks == []


async def test_many_at_once_wait_for_their_turn(receiver: Receiver) -> None:
    """Memory is bounded; who gets no turn is told to come back."""
    receiver.default = lambda _: Reply(hang=True)
    async with downloading(timeout_s=1.0) as download:
        tasks = [
            asyncio.create_task(download.get(receiver.url, limit_bytes=100))
            for _ in range(AT_ONCE + 1)
        ]
        await receiver.noticed.until(lambda: len(receiver.hooks) == AT_ONCE)
        results = await asyncio.gather(*tasks, return_exceptions=True)
    kinds = [type(result) for result in results]
    assert kinds.count(BadRequest) >= AT_ONCE
    assert set(kinds) <= {BadRequest, Unavailable}


async def test_a_proxy_in_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files come from where the URL says."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    receiver.script.append(Reply(body=b"file"))
    async with downloading() as download:
        assert await download.get(receiver.url, limit_bytes=100) == b"file"
