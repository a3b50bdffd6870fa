"""Anthropic's messages, streamed."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tests.peers.stub_model.replies import (
    CACHED_TOKENS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    Call,
    Fail,
    Told,
    arguments,
    calls,
    pieces,
    pieces_of,
    thought,
)

Event = dict[str, Any]


def users_texts(body: dict[str, Any]) -> list[str]:
    """Piece by piece: the last one is what the user said, others are the CLI's reminders."""
    messages = [message for message in body["messages"] if message["role"] == "user"]
    return [text for message in messages for text in pieces_of(message["content"])]


def failure(fail: Fail) -> dict[str, Any]:
    return {"type": "error", "error": {"type": "api_error", "message": fail.message}}


class MessagesAnswer:
    """`number` makes the ids of this answer unlike those of any other."""

    def __init__(self, reply: Told, body: dict[str, Any], number: int) -> None:
        self._reply = reply
        self._model = body["model"]
        self._number = number
        self._index = 0

    def opening(self) -> Iterator[bytes]:
        for event in self._events():
            yield _frame(event)

    def closing(self) -> Iterator[bytes]:
        reason = "tool_use" if isinstance(self._reply, Call) else "end_turn"
        delta = {"stop_reason": reason, "stop_sequence": None}
        usage = {"output_tokens": OUTPUT_TOKENS}
        if self._reply.text:
            yield _frame(self._stop())
        for call in enumerate(calls(self._reply)):
            for event in self._call(*call):
                yield _frame(event)
        yield _frame({"type": "message_delta", "delta": delta, "usage": usage})
        yield _frame({"type": "message_stop"})

    def whole(self) -> dict[str, Any]:
        """For a caller that wants no stream."""
        return {
            **self._message(),
            "content": [{"type": "text", "text": self._reply.text}],
            "stop_reason": "end_turn",
        }

    def _events(self) -> Iterator[Event]:
        yield {"type": "message_start", "message": self._message()}
        if think := thought(self._reply):
            deltas = (
                {"type": "thinking_delta", "thinking": think},
                {"type": "signature_delta", "signature": "c3R1Yg=="},
            )
            yield from self._begin({"type": "thinking", "thinking": "", "signature": ""})
            yield from (self._delta(delta) for delta in deltas)
            yield self._stop()
        if self._reply.text:
            yield from self._begin({"type": "text", "text": ""})
            for piece in pieces(self._reply):
                yield self._delta({"type": "text_delta", "text": piece})

    def _call(self, number: int, call: Call) -> Iterator[Event]:
        name = f"toolu_{self._number}_{number}"
        yield from self._begin({"type": "tool_use", "id": name, "name": call.tool, "input": {}})
        yield self._delta({"type": "input_json_delta", "partial_json": arguments(call)})
        yield self._stop()

    def _stop(self) -> Event:
        self._index += 1
        return {"type": "content_block_stop", "index": self._index - 1}

    def _begin(self, block: dict[str, Any]) -> Iterator[Event]:
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: dict[str, Any]) -> Event:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _message(self) -> dict[str, Any]:
        usage = {
            "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED_TOKENS,
            "output_tokens": 1,
        }
        return {
            "id": f"msg_{self._number}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }


def _frame(event: Event) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
