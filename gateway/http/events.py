"""Events of an agent, read back: in pages, or as a stream that goes on."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.eventstream import EVENT_STREAM, EventStream, Lists, Streams
from gateway.http.forms import RequestId, plain
from gateway.http.numbers import Limit, Seq
from gateway.http.operations import Answer, Call, Header, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, Page, Stretch

DEFAULT_LIMIT = 100

LAST_EVENT_ID = Header(
    name="Last-Event-ID",
    form=Seq,
    what="The last seq that has been read; wins over after_seq",
)


class Replays(Protocol):
    """What reads events back (`gateway.relay.readback`)."""

    async def page(self, agent: Agent, stretch: Stretch, *, limit: int) -> Page: ...

    async def follow(self, agent: Agent, stretch: Stretch) -> Lists | None: ...


class EventsQuery(OwnerQuery, frozen=True, kw_only=True):
    """Of one turn or all; without `after_seq` from the oldest event that is kept."""

    after_seq: Seq | UnsetType = UNSET
    request_id: RequestId | UnsetType = UNSET
    limit: Limit | UnsetType = UNSET


class EventsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in order of seq. `more`: the next page, after `next_after_seq`, has some already."""

    events: Annotated[
        list[msgspec.Raw],
        Meta(
            description="Payloads as webhooks carry them",
            extra_json_schema={"items": {"type": "object"}},
        ),
    ]
    next_after_seq: Annotated[int, Meta(description="The last seq of this page")]
    more: bool


_PAYLOAD = {
    "event_type": "agent.event",
    "agent_id": "agt-5d0c9e9b7f3a41c8",
    "request_id": "req_0123456789abcdef",
    "session_id": "ses_1",
    "seq": 42,
    "timestamp": "2026-01-02T03:04:05Z",
    "agent_state": "processing",
    "event": {"type": "text", "text": "Hello"},
    "backend": "command",
    "backend_event_type": "text",
    "kind": "text.delta",
    "data": {"text": "Hello", "part_id": "1"},
}
_EXAMPLE = {"events": [_PAYLOAD], "next_after_seq": 42, "more": False}
_STREAM_EXAMPLE = f"id: 42\ndata: {msgspec.json.encode(_PAYLOAD).decode()}\n\n: nothing new\n\n"


class EventsResource:
    def __init__(self, launcher: Launcher, replays: Replays, streams: Streams) -> None:
        self._launcher = launcher
        self._replays = replays
        self._streams = streams

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path=f"{ONE}/events",
                name="listEvents",
                summary="Read events back; with `Accept: text/event-stream` also those to come",
                handler=self._show,
                query=EventsQuery,
                reads=(LAST_EVENT_ID,),
                answers={
                    200: Answer(
                        what="A page of them, or a stream: the seq as `id`, a comment at least "
                        "every 15 s, its end after the final of the turn that was named, or "
                        "`event: error` with an error as data when it breaks off",
                        model=EventsPage,
                        example=_EXAMPLE,
                        others={EVENT_STREAM: _STREAM_EXAMPLE},
                    ),
                    204: Answer(
                        what="For a stream: the turn has ended, and there is nothing after that "
                        "seq; do not reconnect",
                        media="",
                    ),
                },
                errors=(404, 410),
            )
        ]

    async def _show(self, call: Call[EventsQuery, None]) -> Response:
        stretch = _stretch(call)
        agent = await own_agent(self._launcher, call)
        if _wants_stream(call.headers):
            return await self._stream(agent, stretch)
        limit = DEFAULT_LIMIT if call.query.limit is UNSET else int(call.query.limit)
        page = await self._replays.page(agent, stretch, limit=limit)
        last = page.events[-1].seq if page.events else stretch.after_seq or 0
        payloads = [msgspec.Raw(event.payload) for event in page.events]
        return json_response(EventsPage(events=payloads, next_after_seq=last, more=page.more))

    async def _stream(self, agent: Agent, stretch: Stretch) -> Response:
        self._streams.take()
        try:
            events = await self._replays.follow(agent, stretch)
        except BaseException:
            self._streams.give_back()
            raise
        if events is None:
            self._streams.give_back()
            return Response(status_code=204)
        return EventStream(events, self._streams)


def _stretch(call: Call[EventsQuery, Any]) -> Stretch:
    request_id = plain(call.query.request_id)
    call.trace.request_id = request_id
    after_seq = LAST_EVENT_ID.value(call.headers) or plain(call.query.after_seq)
    return Stretch(request_id=request_id, after_seq=int(after_seq) if after_seq else None)


def _wants_stream(headers: Headers) -> bool:
    accepted = ",".join(headers.getlist("accept")).split(",")
    return any(media.partition(";")[0].strip().lower() == EVENT_STREAM for media in accepted)
