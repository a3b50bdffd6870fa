"""Events read back over HTTP: pages, and streams that go on."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.errors import Gone, NotFound, Unavailable
from gateway.http.connection import BoundedProtocol
from gateway.http.eventstream import COMMENT_S, MOST_STREAMS, Streams
from gateway.model import Event, Stretch
from tests.gateway.http.conftest import Door, open_door
from tests.peers.sse import streaming

EVENTS = "/api/v1/agents/a1/events"
ADA = {"user_id": "ada"}
STREAM = {"accept": "text/event-stream"}


@pytest.fixture(autouse=True)
def an_agent(door: Door) -> None:
    door.launcher.add("a1", "ada")


def event(seq: int, *, final: bool = False, payload: bytes = b"") -> Event:
    return Event(seq, final, payload or b'{"seq":%d}' % seq)


async def test_a_page_holds_the_payloads_as_they_are(door: Door) -> None:
    """Byte for byte what webhooks carry, and where the next page begins."""
    odd = b'{"seq": 7, "event": {"n": 1.50, "big": 123456789012345678901234567890}}'
    door.readback.events = [event(6), event(7, payload=odd), event(8)]
    answer = await door.http.get(EVENTS, params={**ADA, "after_seq": "5", "limit": "2"})
    assert answer.status_code == 200
    assert answer.content == b'{"events":[{"seq":6},' + odd + b'],"next_after_seq":7,"more":true}'
    last = await door.http.get(EVENTS, params={**ADA, "after_seq": "7", "request_id": "r-1"})
    assert last.json() == {"events": [{"seq": 8}], "next_after_seq": 8, "more": False}
    none = await door.http.get(EVENTS, params={**ADA, "after_seq": "8"})
    assert none.json() == {"events": [], "next_after_seq": 8, "more": False}
    assert door.readback.asked == [
        (Stretch(after_seq=5), 2),
        (Stretch(request_id="r-1", after_seq=7), 100),
        (Stretch(after_seq=8), 100),
    ]


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"after_seq": "-1"}, {}, "after_seq"),
        ({"after_seq": "1.5"}, {}, "after_seq"),
        ({"after_seq": ""}, {}, "after_seq"),
        ({"after_seq": "9" * 17}, {}, "after_seq"),
        ({"after_seq": str(2**53)}, {}, "after_seq"),
        ({"after_seq": "\u0661"}, {}, "after_seq"),
        ({"limit": "0"}, {}, "limit"),
        ({"limit": "1001"}, {}, "limit"),
        ({"request_id": "a b"}, {}, "request_id"),
        ({}, {"last-event-id": "x"}, "Last-Event-ID"),
        ({}, [("last-event-id", "1"), ("last-event-id", "2")], "Last-Event-ID"),
    ],
)
async def test_a_wrong_place_is_named(door: Door, query: Any, headers: Any, field: str) -> None:
    """400 with the parameter's name, for pages and streams alike; no agent is asked."""
    for accept in ("*/*", "text/event-stream"):
        given = [*httpx.Headers(headers).multi_items(), ("accept", accept)]
        answer = await door.http.get(EVENTS, params={**ADA, **query}, headers=given)
        assert answer.status_code == 400, answer.text
        assert answer.json()["message"].startswith(f"{field}: ")
    assert not door.readback.asked


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (NotFound("no such turn"), 404, "not_found"),
        (Gone("events up to seq 9 are not kept any more"), 410, "gone"),
        (Unavailable("it does not answer"), 503, "service_unavailable"),
    ],
)
async def test_refusals_come_before_anything_else(
    door: Door, failure: Exception, status: int, code: str
) -> None:
    """A stream that cannot begin is an ordinary error answer; so is a page."""
    door.readback.failure = failure
    for accept in ("*/*", "text/event-stream"):
        answer = await door.http.get(EVENTS, params=ADA, headers={"accept": accept})
        assert (answer.status_code, answer.json()["error"]) == (status, code)


async def test_somebody_elses_agent_is_404(door: Door) -> None:
    """Events are their owner's."""
    answer = await door.http.get(EVENTS, params={"user_id": "bob"})
    assert answer.status_code == 404


async def test_a_stream_tells_each_event_with_its_seq(door: Door) -> None:
    """`id` is the seq, data the payload, in order, up to the end."""
    door.readback.following.put_nowait([event(1), event(2)])
    async with streaming(door.http, EVENTS, **ADA, request_id="r-1") as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in stream.response.headers
        first, second = await stream.next(), await stream.next()
        assert first is not None
        assert second is not None
        assert (first.id, first.event, first.data) == ("1", "", b'{"seq":1}')
        assert (second.id, second.data) == ("2", b'{"seq":2}')
        door.readback.following.put_nowait([event(3, final=True)])
        door.readback.following.put_nowait(None)
        assert [message.id for message in await stream.rest()] == ["3"]
    assert door.readback.asked == [(Stretch(request_id="r-1"), 0)]


async def test_line_breaks_inside_a_payload_do_not_break_it(door: Door) -> None:
    """JSON that a CLI wrote over several lines arrives as the same JSON, as one message."""
    payload = b'{"seq": 1,\r\n "event": {\n"text": "a\\nb \xe2\x80\xa8 c"\r}\n}'
    door.readback.following.put_nowait([event(1, payload=payload)])
    door.readback.following.put_nowait(None)
    async with streaming(door.http, EVENTS, **ADA) as stream:
        [message] = await stream.rest()
    assert message.json() == {"seq": 1, "event": {"text": "a\nb \u2028 c"}}


async def test_last_event_id_wins_over_after_seq(door: Door) -> None:
    """A browser reconnects to the URL it was given, after_seq and all."""
    door.readback.following.put_nowait(None)
    async with streaming(door.http, EVENTS, **ADA, after_seq="3", last_event_id="17") as stream:
        assert await stream.rest() == []
    assert door.readback.asked == [(Stretch(after_seq=17), 0)]


async def test_nothing_left_is_204(door: Door) -> None:
    """Which tells a browser not to reconnect to a turn that it has read to its end."""
    door.readback.over = True
    answer = await door.http.get(
        EVENTS, params=ADA, headers={"accept": "text/html, Text/Event-Stream;q=0.9"}
    )
    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_break_in_the_middle_is_told(door: Door) -> None:
    """The stream ends with an error event that has the form of errors."""
    door.readback.following.put_nowait([event(1)])
    door.readback.following.put_nowait(Gone("events up to seq 9 are not kept any more"))
    async with streaming(door.http, EVENTS, **ADA) as stream:
        _, error = await stream.rest()
    assert error.event == "error"
    assert error.json() == {"error": "gone", "message": "events up to seq 9 are not kept any more"}


async def test_comments_while_nothing_comes() -> None:
    """Proxies and readers see that it lives, event or not."""
    async with open_door(streams=Streams(comment_s=0.02)) as door:
        door.launcher.add("a1", "ada")
        async with streaming(door.http, EVENTS, **ADA) as stream:
            await stream.comment()
            await stream.comment()
            door.readback.following.put_nowait([event(1)])
            message = await stream.next()
            assert message is not None
            assert message.id == "1"


async def test_a_reader_that_leaves_is_noticed(door: Door) -> None:
    """What was followed for it is let go, though no event ever comes."""
    async with streaming(door.http, EVENTS, **ADA):
        assert not door.readback.closed.is_set()
    await asyncio.wait_for(door.readback.closed.wait(), 10)


async def test_the_number_of_streams_is_bounded() -> None:
    """One too many is told to come back; room is given back when one ends or cannot begin."""
    async with open_door(streams=Streams(limit=1)) as door:
        door.launcher.add("a1", "ada")
        door.readback.failure = Unavailable("not now")
        refused = await door.http.get(EVENTS, params=ADA, headers=STREAM)
        assert refused.status_code == 503
        door.readback.failure = None
        async with streaming(door.http, EVENTS, **ADA):
            answer = await door.http.get(EVENTS, params=ADA, headers=STREAM)
            assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
            assert "retry-after" in answer.headers
            assert (await door.http.get(EVENTS, params=ADA)).status_code == 200
        await asyncio.wait_for(door.readback.closed.wait(), 10)
        door.readback.following.put_nowait(None)
        async with streaming(door.http, EVENTS, **ADA) as again:
            assert again.response.status_code == 200


async def test_a_reader_that_takes_nothing_is_cut_off(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what fits into socket buffers is fetched for it, and it does not keep its room."""
    monkeypatch.setattr(BoundedProtocol, "stall_timeout_s", 0.2)
    for _ in range(100):
        door.readback.following.put_nowait([event(1, payload=b'"' + b"x" * 1_000_000 + b'"')])
    _, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
    lines = [f"GET {EVENTS}?user_id=ada HTTP/1.1", "Host: 127.0.0.1", f"Accept: {STREAM['accept']}"]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    await asyncio.wait_for(door.readback.closed.wait(), 10)
    assert door.readback.taken < 50
    writer.close()


async def test_readers_that_take_nothing_make_room_for_others() -> None:
    """What waits for slow readers is bounded together: the slowest goes, others read on."""
    large = event(1, payload=b'"' + b"x" * 20_000_000 + b'"')
    async with open_door(streams=Streams(most_bytes=50_000_000)) as door:
        door.launcher.add("a1", "ada")
        writers = []
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port, limit=1024)
            lines = [f"GET {EVENTS}?user_id=ada HTTP/1.1", "Host: 127.0.0.1"]
            lines += [f"Accept: {STREAM['accept']}"]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            writers.append(writer)
            door.readback.following.put_nowait([large])
        await asyncio.wait_for(door.readback.closed.wait(), 10)
        for number in (1, 2, None):
            door.readback.following.put_nowait([event(number)] if number else None)
        async with streaming(door.http, EVENTS, **ADA) as stream:
            assert [message.id for message in await stream.rest()] == ["1", "2"]
        for writer in writers:
            writer.transport.abort()


async def test_the_end_of_the_gateway_leaves_no_half_event(door: Door) -> None:
    """A reader in the middle of a large one gets no other words mixed into it."""
    door.readback.following.put_nowait([event(1, payload=b'"' + b"x" * 20_000_000 + b'"')])
    async with door.http.stream("GET", EVENTS, params=ADA, headers=STREAM) as response:
        chunks = response.aiter_raw()
        read = await anext(chunks)
        door.streams.close()
        async for chunk in chunks:
            read += chunk
    assert b"event: error" not in read
    assert not read.endswith(b"\n\n")


async def test_the_end_of_the_gateway_ends_streams_at_once(door: Door) -> None:
    """They say so, do not hold the shutdown up, and no other one begins."""
    async with streaming(door.http, EVENTS, **ADA) as stream:
        door.streams.close()
        [farewell] = await stream.rest()
    assert (farewell.event, farewell.json()["error"]) == ("error", "service_unavailable")
    answer = await door.http.get(EVENTS, params=ADA, headers=STREAM)
    assert answer.status_code == 503


async def test_head_of_a_stream_has_no_body(door: Door) -> None:
    """And does not wait for events."""
    answer = await door.http.head(EVENTS, params=ADA, headers=STREAM)
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_docs_say_how_long_streams_are_quiet_and_readers_may_be() -> None:
    """docs/api.md, docs/operations.md: a comment after 15 s, 500 streams, 60 s without reading."""
    assert COMMENT_S == 15.0
    assert MOST_STREAMS == 500
    assert BoundedProtocol.stall_timeout_s == 60.0
