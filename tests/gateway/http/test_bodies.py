"""Bodies are bounded in bytes and time, alone and all together."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from gateway.http.bodies import Bodies, Nothing
from gateway.http.problems import Problem


class Sender:
    """A body that comes in pieces, and never ends unless it is told to."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._chunks = list(chunks)
        self._ends = ends

    def request(self) -> Request:
        return Request({"type": "http", "method": "POST", "headers": []}, self._receive)

    async def _receive(self) -> dict[str, Any]:
        if self._chunks:
            body = self._chunks.pop(0)
            more = bool(self._chunks) or not self._ends
            return {"type": "http.request", "body": body, "more_body": more}
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_body_that_stops_coming_is_given_up() -> None:
    """The pause is bounded: 400, and the connection is not kept."""
    bodies = Bodies(limit_bytes=100, total_bytes=100, pause_s=0.05)
    with pytest.raises(Problem, match="in time") as caught:
        async with bodies.reading(Sender(b"half", ends=False).request()):
            pass
    assert caught.value.status == 400
    assert caught.value.headers["Connection"] == "close"


async def test_the_room_for_all_is_bounded_and_given_back() -> None:
    """While others hold it, 503 with Retry-After; once they are done it is free again."""
    bodies = Bodies(limit_bytes=100, total_bytes=150)
    async with bodies.reading(Sender(b"x" * 100).request()) as held:
        assert len(held) == 100
        with pytest.raises(Problem, match="too much") as caught:
            async with bodies.reading(Sender(b"y" * 60).request()):
                pass
        assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "1"})
        async with bodies.reading(Sender(b"z" * 50).request()):
            pass
    async with bodies.reading(Sender(b"y" * 40, b"y" * 60).request()) as whole:
        assert whole == b"y" * 100


async def test_a_failure_inside_is_not_taken_for_the_bodys() -> None:
    """A time-out of what is done with the body is its own; the room is given back."""
    bodies = Bodies(limit_bytes=100, total_bytes=100)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with bodies.reading(Sender(b"x" * 100).request()):
                raise TimeoutError


async def test_a_large_body_does_not_hold_up_the_others() -> None:
    """Its keys are looked at beside the event loop, which goes on; the verdict is the same."""
    bodies = Bodies(limit_bytes=2**24, total_bytes=2**24)
    items = b",".join([b'{"a":0,"b":0}'] * 200_000)
    large = asyncio.create_task(bodies.decode(b'{"x":[%b],"y":1,"y":2}' % items, Nothing))
    turns = 0
    while not large.done():
        await bodies.decode(b"{}", Nothing)
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    with pytest.raises(Problem, match="the key 'y' twice"):
        await large
