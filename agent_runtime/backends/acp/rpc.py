"""Calls to the agent and their answers, typed by the package `acp`."""

from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from agent_runtime.backends.acp.events import reason
from agent_runtime.backends.jsonrpc import Envelope
from agent_runtime.backends.stdio import JsonLines
from agent_runtime.errors import Refused

T = TypeVar("T", bound=BaseModel)

_CALL_LIMIT_S = 90.0
"""Some agents open the workspace with their first session, which takes a while."""


def plain(model: BaseModel) -> dict[str, Any]:
    """As the protocol writes it."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def notification(method: str, params: BaseModel) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": plain(params)}


def request(number: int, method: str, params: BaseModel) -> dict[str, Any]:
    return {"id": number, **notification(method, params)}


def result(number: int | str | None, value: BaseModel | None) -> dict[str, Any]:
    told = None if value is None else plain(value)
    return {"jsonrpc": "2.0", "id": number, "result": told}


def failure(number: int | str | None, code: int, message: str) -> dict[str, Any]:
    error = {"code": code, "message": message}
    return {"jsonrpc": "2.0", "id": number, "error": error}


async def call(lines: JsonLines, method: str, params: BaseModel, kind: type[T]) -> T:
    """What the agent answers. Raises Refused, BackendCrashed."""
    raw = await lines.call(lambda number: request(number, method, params), limit_s=_CALL_LIMIT_S)
    answer = msgspec.json.decode(raw, type=Envelope)
    if answer.error is not None:
        raise Refused(f"the agent refuses {method}: {reason(answer.error)}")
    try:
        return kind.model_validate_json(bytes(answer.result))
    except ValidationError as error:
        raise Refused(f"the agent answers {method} with something else: {error}") from error
