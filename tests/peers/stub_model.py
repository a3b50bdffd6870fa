"""A model server that says what the test scripted: OpenAI's chat completions, streamed.

One reply is taken from the script per model call. Calls that carry no tools are
the CLI's own (it asks for titles) and take none. An empty script is answered
with what the user said.
"""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

PROVIDER = "stub"
MODEL = "stub/stub-model"
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 100, 10, 40, 5
"""What every call claims to have used: OpenAI counts the cached ones into the
input, and the reasoning into the output."""


@dataclass(frozen=True, slots=True)
class Say:
    """An answer, streamed in pieces of `piece` characters; `think` comes before it."""

    text: str
    think: str = ""
    piece: int = 12


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, after some text."""

    tool: str
    arguments: Mapping[str, Any]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Stall:
    """Some text, then nothing, until the caller hangs up."""

    text: str


@dataclass(frozen=True, slots=True)
class Fail:
    """An HTTP error. The CLI repeats a call that failed with 429 or 5xx, for ever."""

    status: int
    message: str = "the stub model fails"


Reply = Say | Call | Stall | Fail


@dataclass
class StubModel:
    """`requests`: the bodies of the calls that took a reply; `url`: for `baseURL`."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    repeat: Reply | None = None
    """What is said to every call, instead of a script."""
    _script: deque[Reply] = field(default_factory=deque)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def script(self, *replies: Reply) -> None:
        """Say these next, in order."""
        self._script.extend(replies)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        reply = self._reply(body)
        if isinstance(reply, Fail):
            return web.json_response({"error": {"message": reply.message}}, status=reply.status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):  # it hangs up when it is interrupted
            await self._stream(response, reply, body)
        return response

    def _reply(self, body: dict[str, Any]) -> Reply:
        if not body.get("tools"):
            return Say("A title")
        self.requests.append(body)
        if self.repeat is not None:
            return self.repeat
        if self._script:
            return self._script.popleft()
        said = [_text(message) for message in body["messages"] if message["role"] == "user"]
        return Say(f"You said: {said[-1]}" if said else "You said nothing.")

    async def _stream(
        self, response: web.StreamResponse, reply: Say | Call | Stall, body: dict[str, Any]
    ) -> None:
        base = {
            "id": f"chatcmpl-{next(self._ids)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body["model"],
        }
        for delta in _deltas(reply, next(self._ids)):
            choice = {"index": 0, "delta": delta, "finish_reason": None}
            await _send(response, {**base, "choices": [choice]})
        if isinstance(reply, Stall):
            await asyncio.Event().wait()
        reason = "tool_calls" if isinstance(reply, Call) else "stop"
        choice = {"index": 0, "delta": {}, "finish_reason": reason}
        await _send(response, {**base, "choices": [choice], "usage": _USAGE})
        await response.write(b"data: [DONE]\n\n")


_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


@asynccontextmanager
async def stub_model() -> AsyncIterator[StubModel]:
    """A stub model on a free port of 127.0.0.1."""
    model = StubModel()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        model.url = f"http://{host}:{port}/v1"
        yield model
    finally:
        await runner.cleanup()


def opencode_config(model_url: str, **more: Any) -> str:
    """For OPENCODE_CONFIG_CONTENT: the stub is the one provider there is."""
    named = {
        "name": "Stub",
        "attachment": True,
        "reasoning": True,
        "tool_call": True,
        "limit": {"context": 10_000_000, "output": 1_000_000},
        "cost": {"input": 1, "output": 2},
    }
    config = {
        "enabled_providers": [PROVIDER],
        "model": MODEL,
        "small_model": MODEL,
        "provider": {
            PROVIDER: {
                "npm": "@ai-sdk/openai-compatible",
                "name": "Stub",
                "options": {"baseURL": model_url, "apiKey": "not-a-key"},
                "models": {"stub-model": named},
            }
        },
        **more,
    }
    return msgspec.json.encode(config).decode()


def _deltas(reply: Say | Call | Stall, number: int) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    if isinstance(reply, Say) and reply.think:
        yield {"reasoning_content": reply.think}
    piece = reply.piece if isinstance(reply, Say) else 12
    for start in range(0, len(reply.text), piece):
        yield {"content": reply.text[start : start + piece]}
    if isinstance(reply, Call):
        called = {
            "name": reply.tool,
            "arguments": msgspec.json.encode(reply.arguments).decode(),
        }
        call = {"index": 0, "id": f"call_{number}", "type": "function", "function": called}
        yield {"tool_calls": [call]}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part.get("text", "") for part in content)


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + msgspec.json.encode(chunk) + b"\n\n")
