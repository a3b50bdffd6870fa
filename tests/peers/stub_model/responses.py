"""OpenAI's responses, streamed."""

import itertools
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

Item = dict[str, Any]

_USAGE = {
    "input_tokens": INPUT_TOKENS,
    "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
    "output_tokens": OUTPUT_TOKENS,
    "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
}


def users_texts(body: dict[str, Any]) -> list[str]:
    items = [item for item in body["input"] if item.get("role") == "user"]
    return [text for item in items for text in pieces_of(item["content"])]


def failure(fail: Fail) -> dict[str, Any]:
    return {"error": {"message": fail.message}}


class ResponsesAnswer:
    """`number` makes the ids of this answer unlike those of any other."""

    def __init__(self, reply: Told, body: dict[str, Any], number: int) -> None:
        self._reply = reply
        self._number = number
        self._sequence = itertools.count()
        self._done: list[Item] = []
        self._response = {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": int(time.time()),
            "model": body["model"],
        }

    def opening(self) -> Iterator[bytes]:
        begun = {**self._response, "status": "in_progress", "output": []}
        yield self._frame("response.created", response=begun)
        if think := thought(self._reply):
            yield from self._reasoning(think)
        if self._reply.text:
            yield from self._text_begun()

    def closing(self) -> Iterator[bytes]:
        if self._reply.text:
            text = {"type": "output_text", "text": self._reply.text, "annotations": []}
            yield self._finished({**self._message("completed"), "content": [text]})
        for index, call in enumerate(calls(self._reply)):
            yield self._finished(self._call(index, call))
        ended = {**self._response, "status": "completed", "output": self._done, "usage": _USAGE}
        yield self._frame("response.completed", response=ended)

    def _reasoning(self, think: str) -> Iterator[bytes]:
        name = f"rs_{self._number}"
        item: Item = {"type": "reasoning", "id": name, "summary": []}
        where = {"item_id": name, "output_index": len(self._done), "summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        yield self._frame("response.output_item.added", output_index=len(self._done), item=item)
        yield self._frame("response.reasoning_summary_part.added", **where, part=part)
        yield self._frame("response.reasoning_summary_text.delta", **where, delta=think)
        yield self._finished({**item, "summary": [{**part, "text": think}]})

    def _text_begun(self) -> Iterator[bytes]:
        index = len(self._done)
        item = {**self._message("in_progress"), "content": []}
        where = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield self._frame("response.output_item.added", output_index=index, item=item)
        for piece in pieces(self._reply):
            yield self._frame("response.output_text.delta", **where, delta=piece)

    def _message(self, status: str) -> Item:
        name = f"msg_{self._number}"
        return {"type": "message", "id": name, "role": "assistant", "status": status}

    def _call(self, index: int, call: Call) -> Item:
        free = isinstance(call.arguments, str)
        return {
            "type": "custom_tool_call" if free else "function_call",
            "id": f"fc_{self._number}_{index}",
            "call_id": f"call_{self._number}_{index}",
            "name": call.tool,
            "input" if free else "arguments": arguments(call),
            "status": "completed",
        }

    def _finished(self, item: Item) -> bytes:
        self._done.append(item)
        index = len(self._done) - 1
        return self._frame("response.output_item.done", output_index=index, item=item)

    def _frame(self, name: str, **fields: Any) -> bytes:
        event = {"type": name, "sequence_number": next(self._sequence), **fields}
        return f"event: {name}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
