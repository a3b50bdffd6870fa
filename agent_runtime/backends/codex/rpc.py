"""Calls to the CLI and their answers."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from agent_runtime.backends.jsonrpc import Envelope
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import Refused

T = TypeVar("T", bound=msgspec.Struct)

_CALL_LIMIT_S = 60.0


async def call(lines: JsonLines, method: str, params: Mapping[str, Any], kind: type[T]) -> T:
    """What the CLI answers. Raises Refused, BackendCrashed."""

    def numbered(number: int) -> dict[str, Any]:
        return {"id": number, "method": method, "params": params}

    raw = await lines.call(numbered, limit_s=_CALL_LIMIT_S)
    answer = msgspec.json.decode(raw, type=Envelope)
    if answer.error is not None:
        raise Refused(f"codex refuses {method}: {answer.error.message[:2000]}")
    try:
        return msgspec.json.decode(answer.result, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(f"codex answers {method} with something else: {error}") from error
