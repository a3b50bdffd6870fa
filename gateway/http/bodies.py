"""Bodies: read within a bound of bytes and time, then decoded into a model, or refused in words."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from gateway.http import forms
from gateway.http.problems import JSON, Problem

Model = TypeVar("Model", bound=msgspec.Struct)

CLOSE = {"Connection": "close"}
DECODED_AT_ONCE_BYTES = 64 * 1024
"""Bodies up to here are decoded on the event loop, larger ones beside it."""

_MISSING = re.compile(r"Object missing required field `(.+)`")


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """Base of request bodies. They may hold secrets: `repr` shows none of it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class Nothing(Body, frozen=True, kw_only=True):
    """A body that says nothing: absent, or an object whose fields are ignored."""


def media_type(request: Request) -> str:
    """The content type without its parameters, in lower case; "" when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raises Problem 415 for a body (or the announcement of one) in another form."""
    if media_type(request) != JSON:
        raise Problem(415, "the body must be JSON; send `Content-Type: application/json`")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem(415, "the body must not be compressed; send it without Content-Encoding")


class Bodies:
    """Reads bodies, each and all together within a bound. Touched on the event loop only.

    Args:
        limit_bytes: of one body.
        total_bytes: of all that are held at the same time.
        pause_s: how long a body may stop coming.
        whole_s: how long it may take altogether.
    """

    def __init__(
        self,
        *,
        limit_bytes: int,
        total_bytes: int,
        pause_s: float = 30.0,
        whole_s: float = 300.0,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._free_bytes = total_bytes
        self._pause_s = pause_s
        self._whole_s = whole_s
        self._beside = asyncio.Semaphore(1)

    @contextlib.asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body, whose room is taken until the block ends.

        Raises:
            Problem: 413 as soon as it is known to be too large, 400 when it stops
                coming, 503 when there is no room for it now.
        """
        try:
            body = await self._whole(request)
        except TimeoutError as error:
            raise Problem(400, "the body did not come in time", CLOSE) from error
        except ClientDisconnect as error:
            raise Problem(400, "the connection was closed before the body had come") from error
        try:
            yield body
        finally:
            self._free_bytes += len(body)

    async def decode(self, body: bytes, model: type[Model]) -> Model:
        """As the function of that name; others are served while a large body is looked at."""
        if len(body) <= DECODED_AT_ONCE_BYTES:
            return decode(body, model)
        async with self._beside:
            return await asyncio.to_thread(decode, body, model)

    async def _whole(self, request: Request) -> bytes:
        """Takes room for the body as it comes; gives it back when it does not come whole."""
        if announced(request) > self._limit_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._whole_s):
                await self._read(request, body)
        except BaseException:
            self._free_bytes += len(body)
            raise
        return bytes(body)

    async def _read(self, request: Request, body: bytearray) -> None:
        chunks = request.stream()
        while True:
            async with asyncio.timeout(self._pause_s):
                chunk = await anext(chunks, b"")
            if not chunk:
                return
            if len(body) + len(chunk) > self._limit_bytes:
                raise self._too_large()
            if len(chunk) > self._free_bytes:
                raise Problem(503, "too much is being sent at once; repeat", {"Retry-After": "1"})
            self._free_bytes -= len(chunk)
            body += chunk

    def _too_large(self) -> Problem:
        limit = f"{self._limit_bytes} bytes, which FORGE_MAX_BODY_BYTES sets"
        return Problem(413, f"the body is larger than {limit}")


def decode(body: bytes, model: type[Model]) -> Model:
    """The model a JSON body stands for. Raises Problem 400 that names the place and the fault."""
    if not body.strip() and model is not Nothing:
        raise Problem(400, "the body is empty; a JSON object is needed")
    try:
        decoded = msgspec.json.decode(body or b"{}", type=model, dec_hook=forms.decode)
        _refuse_twins(body or b"{}")
    except msgspec.ValidationError as error:
        raise Problem(400, explain(error)) from error
    except msgspec.DecodeError as error:
        raise Problem(400, f"the body is no JSON: {_inner(error)}") from error
    except UnicodeDecodeError as error:
        raise Problem(400, "the body is not UTF-8") from error
    except RecursionError as error:
        raise Problem(400, "the body is nested too deeply") from error
    return decoded


def explain(error: msgspec.ValidationError) -> str:
    """msgspec's message, the field's name first."""
    problem, _, place = str(error).partition(" - at `")
    where = place.replace("key` in `", "").replace("$", "").strip(".`")
    missing = _MISSING.fullmatch(problem)
    if missing:
        return f"{where + '.' if where else ''}{missing[1]} is missing"
    return f"{where or 'the body'}: {problem}"


def _refuse_twins(body: bytes) -> None:
    """JSON leaves open which of two equal keys counts; here neither does."""

    def look(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) == len(pairs):
            return
        seen = set()
        for name, _ in pairs:
            if name in seen:
                raise Problem(400, f"the body has the key {name[:64]!r} twice")
            seen.add(name)

    try:
        json.loads(body, object_pairs_hook=look, parse_int=len, parse_float=len)
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON: {error}") from error


def announced(request: Request) -> int:
    """How many bytes of body the head speaks of; 1 when it does not say how many, 0 for none."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and len(length) < 20:
        return int(length)
    return 1 if "transfer-encoding" in request.headers else 0


def _inner(error: msgspec.DecodeError) -> str:
    return str(error).removeprefix("JSON is malformed: ").lower()
