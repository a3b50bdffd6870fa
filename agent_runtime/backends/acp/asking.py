"""What the agent asks during one prompt: permissions, carried to the sink; files."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from acp import meta, schema
from pydantic import BaseModel, ValidationError

from agent_runtime.backends.acp.asked import CANCELLED, Permission
from agent_runtime.backends.acp.events import PERMISSION, Event
from agent_runtime.backends.acp.files import Files
from agent_runtime.backends.acp.meaning import Meanings
from agent_runtime.backends.acp.rpc import failure, result
from agent_runtime.backends.asks import PermissionAnswer
from agent_runtime.backends.open_asks import OpenAsks
from agent_runtime.backends.protocol import TurnSink
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import Invalid
from agent_runtime.model import BackendEvent, Kind

_READ = meta.CLIENT_METHODS["fs_read_text_file"]
_WRITE = meta.CLIENT_METHODS["fs_write_text_file"]
_NO_METHOD, _WRONG = -32601, -32602


class Asking:
    """Owned by the prompt's task; `cancel` may be called by another."""

    def __init__(
        self, lines: JsonLines, sink: TurnSink, meanings: Meanings, workspace: Path
    ) -> None:
        self._lines = lines
        self._sink = sink
        self._meanings = meanings
        self._files = Files(workspace)
        self._open = OpenAsks("acp")
        self._waiting: dict[str, int | str | None] = {}

    async def tell(self, event: Event, meant: BackendEvent) -> None:
        """Every message of the prompt, into the sink."""
        if event.type == PERMISSION and (asked := self._meanings.asked(event)) is not None:
            await self._asked(event.number, asked, meant)
            return
        await self._sink.emit(meant)
        if event.is_request:
            await self._lines.send(await self._other(event))

    async def cancel(self) -> None:
        """Of an interrupted prompt every request has to be answered so. Raises BackendCrashed."""
        waiting, self._waiting = self._waiting, {}
        for prompt_id, number in waiting.items():
            self._open.withdraw(prompt_id)
            await self._lines.send(result(number, CANCELLED))

    async def close(self) -> None:
        """The prompt is over: nobody waits for an answer any more."""
        await self._open.close()

    async def _asked(
        self, number: int | str | None, asked: Permission, meant: BackendEvent
    ) -> None:
        pending = await self._sink.permission(meant, asked.ask)
        self._waiting[asked.ask.prompt_id] = number
        self._open.begin(asked.ask.prompt_id, pending, partial(self._permission, number, asked))

    async def _permission(
        self, number: int | str | None, asked: Permission, answer: PermissionAnswer
    ) -> None:
        """The agent says nothing of the answer, so that what it was told is the event."""
        if self._waiting.pop(asked.ask.prompt_id, None) is None:
            return
        told = result(number, asked.response(answer.decision))
        await self._lines.send(told)
        data = answer.data_json(asked.ask.prompt_id)
        await self._sink.emit(
            BackendEvent(PERMISSION, msgspec.json.encode(told), Kind.PERMISSION_ANSWERED, data)
        )

    async def _other(self, event: Event) -> dict[str, Any]:
        try:
            match event.type:
                case method if method == _READ:
                    read = schema.ReadTextFileRequest.model_validate_json(bytes(event.params))
                    return await self._done(event, lambda: self._files.read(read))
                case method if method == _WRITE:
                    write = schema.WriteTextFileRequest.model_validate_json(bytes(event.params))
                    return await self._done(event, lambda: self._files.write(write))
        except (ValidationError, Invalid) as error:
            return failure(event.number, _WRONG, str(error))
        return failure(event.number, _NO_METHOD, f"{event.type} is not supported")

    async def _done(self, event: Event, work: Callable[[], BaseModel]) -> dict[str, Any]:
        return result(event.number, await asyncio.to_thread(work))
