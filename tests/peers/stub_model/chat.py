"""OpenAI's chat completions, streamed."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.peers.stub_model.replies import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    REASONING_TOKENS,
    Call,
    Fail,
    Told,
    arguments,
    calls,
    pieces,
    pieces_of,
    thought,
)

_USAGE = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
}


def users_texts(body: dict[str, Any]) -> list[str]:
    messages = [message for message in body["messages"] if message["role"] == "user"]
    return ["\n".join(pieces_of(message["content"])) for message in messages]


def failure(fail: Fail) -> dict[str, Any]:
    return {"error": {"message": fail.message}}


class ChatAnswer:
    """`number` makes the ids of this answer unlike those of any other."""

    def __init__(self, reply: Told, body: dict[str, Any], number: int) -> None:
        self._reply = reply
        self._number = number
        self._base = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body["model"],
        }

    def opening(self) -> Iterator[bytes]:
        for delta in self._deltas():
            yield self._chunk(delta, None)

    def closing(self) -> Iterator[bytes]:
        reason = "tool_calls" if isinstance(self._reply, Call) else "stop"
        yield self._chunk({}, reason, usage=_USAGE)
        yield b"data: [DONE]\n\n"

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": ""}
        if think := thought(self._reply):
            yield {"reasoning_content": think}
        for piece in pieces(self._reply):
            yield {"content": piece}
        for index, call in enumerate(calls(self._reply)):
            called = {"name": call.tool, "arguments": arguments(call)}
            named = {"id": f"call_{self._number}_{index}", "type": "function", "function": called}
            yield {"tool_calls": [{"index": index, **named}]}

    def _chunk(self, delta: dict[str, Any], reason: str | None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {**self._base, "choices": [choice], **more}
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
