"""What was said so far, in one form for all backends: in pages, or as a whole."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from starlette.responses import Response, StreamingResponse

from gateway.http.agentmodels import OwnerQuery
from gateway.http.agents import ONE, own_agent
from gateway.http.forms import plain
from gateway.http.numbers import Cursor, MessageLimit
from gateway.http.operations import Answer, Call, Operation, json_response
from gateway.launchers.protocol import Launcher
from gateway.model import Agent, MessagePage

DEFAULT_LIMIT = 50
JSON_LINES = "application/x-ndjson"


class Conversations(Protocol):
    """What knows what was said (`gateway.relay.history`)."""

    async def messages(self, agent: Agent, *, cursor: str, limit: int) -> MessagePage: ...

    def export(self, agent: Agent) -> AsyncGenerator[Sequence[bytes], None]: ...


class MessagesQuery(OwnerQuery, frozen=True, kw_only=True):
    """The newest messages; `cursor`, as a page told it: those before that page."""

    cursor: Cursor | UnsetType = UNSET
    limit: MessageLimit | UnsetType = UNSET


class MessageList(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Oldest first: what the user said, and what the agent did about it, in turn."""

    messages: Annotated[list[Raw], Meta(extra_json_schema={"items": {"type": "object"}})]
    next_cursor: Annotated[str, Meta(description="Where older ones begin; absent: none are")] = ""


_MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "request_id": "req_0123456789abcdef",
    "session_id": "ses_1",
    "source": "cli",
    "timestamp": "2026-01-02T03:04:05.000Z",
    "text": "Hello!",
    "usage": {"input_tokens": 12, "output_tokens": 3},
    "outcome": "completed",
}
_EXAMPLE = MessageList(messages=[Raw(msgspec.json.encode(_MESSAGE))], next_cursor="17")


class HistoryResource:
    def __init__(self, launcher: Launcher, conversations: Conversations) -> None:
        self._launcher = launcher
        self._conversations = conversations

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path=f"{ONE}/messages",
                name="listMessages",
                summary="Show the conversation: the newest messages, or older ones",
                handler=self._list,
                query=MessagesQuery,
                answers={200: Answer(what="Oldest first", model=MessageList, example=_EXAMPLE)},
                errors=(404, 429),
            ),
            Operation(
                method="GET",
                path=f"{ONE}/export",
                name="exportMessages",
                summary="All messages that are kept, as JSON lines",
                handler=self._export,
                query=OwnerQuery,
                answers={
                    200: Answer(
                        what="One message a line, oldest first",
                        media=JSON_LINES,
                        example=msgspec.json.encode(_MESSAGE).decode() + "\n",
                    )
                },
                errors=(404, 429),
            ),
        ]

    async def _list(self, call: Call[MessagesQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        limit = DEFAULT_LIMIT if call.query.limit is UNSET else int(call.query.limit)
        page = await self._conversations.messages(
            agent, cursor=plain(call.query.cursor), limit=limit
        )
        messages = [Raw(message) for message in page.messages]
        return json_response(MessageList(messages=messages, next_cursor=page.next_cursor))

    async def _export(self, call: Call[OwnerQuery, None]) -> Response:
        agent = await own_agent(self._launcher, call)
        lists = self._conversations.export(agent)
        first = await anext(lists, None)  # what goes wrong at once is an error, not a broken stream
        return StreamingResponse(_lines(first or [], lists), media_type=JSON_LINES)


async def _lines(
    first: Sequence[bytes], rest: AsyncGenerator[Sequence[bytes], None]
) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield _joined(first)
        async for messages in rest:
            yield _joined(messages)


def _joined(messages: Sequence[bytes]) -> bytes:
    return b"".join(message + b"\n" for message in messages)
