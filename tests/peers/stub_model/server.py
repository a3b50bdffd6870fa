"""The stub model itself: one reply is taken from the script per model call.

Calls that carry no tools are the CLI's own (it asks for titles) and take none.
An empty script is answered with what the user said.
"""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from tests.peers.stub_model import chat, messages, responses
from tests.peers.stub_model.replies import (
    INPUT_TOKENS,
    Answer,
    Fail,
    Garbage,
    Reply,
    Say,
    Stall,
    Told,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TITLE = Say("A title")


@dataclass(frozen=True)
class _Api:
    """How one kind of call is read and answered."""

    users_texts: Callable[[dict[str, Any]], list[str]]
    failure: Callable[[Fail], dict[str, Any]]
    answer: Callable[[Told, dict[str, Any], int], Answer]


_CHAT = _Api(chat.users_texts, chat.failure, chat.ChatAnswer)
_MESSAGES = _Api(messages.users_texts, messages.failure, messages.MessagesAnswer)
_RESPONSES = _Api(responses.users_texts, responses.failure, responses.ResponsesAnswer)


@dataclass
class StubModel:
    """`requests`: the bodies of the calls that took a reply; `headers`: theirs.

    `root` is where the server is; `url`, `root` with /v1, is what OpenAI's clients want.
    """

    root: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    repeat: Reply | None = None
    """What is said to every call, instead of a script."""
    _script: deque[Reply] = field(default_factory=deque)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return f"{self.root}/v1"

    def script(self, *replies: Reply) -> None:
        """Say these next, in order."""
        self._script.extend(replies)

    def heard(self) -> str:
        """All that the last call told the model, as JSON text."""
        return msgspec.json.encode(self.requests[-1]).decode()

    def forget(self) -> None:
        """What has been scripted and not been said."""
        self._script.clear()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/chat/completions", self._handler(_CHAT)),
            web.post("/v1/responses", self._handler(_RESPONSES)),
            web.post("/v1/messages", self._handler(_MESSAGES)),
            web.post("/v1/messages/count_tokens", _count),
            web.get("/v1/models", _models),
        ]

    def _handler(self, api: _Api) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(api, request)

        return handle

    async def _answer(self, api: _Api, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        reply = self._reply(api, body, dict(request.headers))
        if isinstance(reply, Fail):
            return web.json_response(api.failure(reply), status=reply.status)
        if isinstance(reply, Garbage):
            return web.Response(body=reply.content, content_type="text/event-stream")
        answer = api.answer(reply, body, next(self._numbers))
        if not body.get("stream") and isinstance(answer, messages.MessagesAnswer):
            return web.json_response(answer.whole())
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # it hangs up when it is interrupted
            await _stream(response, reply, answer)
        return response

    def _reply(self, api: _Api, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        if not body.get("tools"):
            return _TITLE
        self.requests.append(body)
        self.headers.append(headers)
        if self.repeat is not None:
            return self.repeat
        if self._script:
            return self._script.popleft()
        said = api.users_texts(body)
        return Say(f"You said: {said[-1]}" if said else "You said nothing.")


async def _stream(response: web.StreamResponse, reply: Told, answer: Answer) -> None:
    for frame in answer.opening():
        await response.write(frame)
        if isinstance(reply, Say) and reply.pause_s:
            await asyncio.sleep(reply.pause_s)
    if isinstance(reply, Stall):
        await asyncio.Event().wait()
    for frame in answer.closing():
        await response.write(frame)


async def _count(_: web.Request) -> web.Response:
    return web.json_response({"input_tokens": INPUT_TOKENS})


async def _models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [], "models": []})


@asynccontextmanager
async def stub_model() -> AsyncIterator[StubModel]:
    """A stub model on a free port of 127.0.0.1."""
    model = StubModel()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes(model.routes())
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        model.root = f"http://{host}:{port}"
        yield model
    finally:
        await runner.cleanup()
