"""Calls to `opencode serve`, and its event stream. No aiohttp exception leaves this file."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import msgspec

from agent_runtime.backends.asks import PermissionAnswer
from agent_runtime.backends.message import Message
from agent_runtime.backends.opencode.parts import parts
from agent_runtime.backends.opencode.sse import Oversized, SseDecoder
from agent_runtime.errors import BackendCrashed, Refused

T = TypeVar("T")

USER = "opencode"
_CALL_TIMEOUT_S = 60.0
"""The first call of all makes the CLI open the workspace, which takes a while."""
_SILENCE_S = 60.0
"""The stream has a heartbeat every 10 s."""


class Client:
    """One CLI. Made once it listens, closed before it is ended."""

    def __init__(self, url: str, password: str) -> None:
        self._http = aiohttp.ClientSession(
            base_url=url,
            headers={"authorization": f"Basic {_encoded(password)}"},
            timeout=aiohttp.ClientTimeout(total=_CALL_TIMEOUT_S),
        )

    async def close(self) -> None:
        await self._http.close()

    async def version(self) -> str:
        """Raises Refused where it does not tell."""
        return _read(await self._call("GET", "/global/health"), _Health).version

    async def create_session(self) -> str:
        return _read(await self._call("POST", "/session", {}), _Named).id

    async def fork(self, session_id: str) -> str:
        """A session that begins as this one. Raises Refused."""
        return _read(await self._call("POST", f"/session/{session_id}/fork", {}), _Named).id

    async def models(self) -> Sequence[str]:
        """Of all providers that can be used, as `provider/model`. Raises Refused."""
        told = _read(await self._call("GET", "/config/providers"), _Providers)
        return [f"{one.id}/{model}" for one in told.providers for model in one.models]

    async def knows_session(self, session_id: str) -> bool:
        try:
            await self._call("GET", f"/session/{session_id}")
        except Refused:
            return False
        return True

    async def messages(
        self, session_id: str, *, before: str, limit: int, most_bytes: int
    ) -> tuple[bytes, str]:
        """Its newest messages before a cursor, oldest first, and the cursor of those before them.

        Raises:
            Refused: they have more bytes than that, or there is no such session.
        """
        path = f"/session/{session_id}/message?limit={limit}"
        async with self._calling("GET", f"{path}&before={before}" if before else path) as response:
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > most_bytes:
                    raise Refused("the messages are too large")
            _check(response.status, answer)
            return bytes(answer), response.headers.get("x-next-cursor", "")

    async def children(self, session_id: str) -> Sequence[str]:
        """The sessions of its subagents so far."""
        told = await self._call("GET", f"/session/{session_id}/children")
        return [child.id for child in _read(told, list[_Named])]

    async def busy(self, session_id: str) -> bool:
        told = await self._call("GET", "/session/status")
        status = _read(told, dict[str, _Status]).get(session_id)
        return status is not None and status.type != "idle"

    async def prompt(self, session_id: str, message: Message, model: str) -> None:
        """Hand over a message; "" for the CLI's own choice of model. Raises Refused."""
        body: dict[str, Any] = {"parts": parts(message)}
        if model:
            provider, _, name = model.partition("/")
            body["model"] = {"providerID": provider, "modelID": name}
        await self._call("POST", f"/session/{session_id}/prompt_async", body)

    async def abort(self, session_id: str) -> None:
        await self._call("POST", f"/session/{session_id}/abort", {})

    async def answer_permission(self, prompt_id: str, answer: PermissionAnswer) -> None:
        """Raises Refused when nobody waits for it any more."""
        body: dict[str, str] = {"reply": answer.decision}
        if answer.message:
            body["message"] = answer.message
        await self._call("POST", f"/permission/{prompt_id}/reply", body)

    async def answer_question(self, prompt_id: str, answers: Sequence[Sequence[str]]) -> None:
        """One list of answers a question. Raises Refused when nobody waits for it any more."""
        await self._call("POST", f"/question/{prompt_id}/reply", {"answers": answers})

    @asynccontextmanager
    async def events(self) -> AsyncIterator["EventStream"]:
        """Everything the CLI says from now on."""
        response = await self._subscribe()
        try:
            stream = EventStream(response.content)
            await stream.opened()
            yield stream
        finally:
            response.close()

    async def _subscribe(self) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=_SILENCE_S)
        self._check_open()
        try:
            response = await self._http.get("/event", timeout=timeout)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BackendCrashed(f"opencode gave no events: {_told(error)}") from error
        if response.status != 200:
            response.close()
            raise BackendCrashed(f"opencode gave no events: HTTP {response.status}")
        return response

    async def _call(self, method: str, path: str, body: Any = None) -> bytes:
        async with self._calling(method, path, body) as response:
            answer = await response.read()
            _check(response.status, answer)
            return answer

    @asynccontextmanager
    async def _calling(
        self, method: str, path: str, body: Any = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        self._check_open()
        try:
            async with self._http.request(method, path, json=body) as response:
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise BackendCrashed(f"opencode did not answer {method}: {_told(error)}") from error

    def _check_open(self) -> None:
        if self._http.closed:
            raise BackendCrashed("opencode has been stopped")


class EventStream:
    """The JSON of each event, in order, byte for byte."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._decoder = SseDecoder()
        self._ready: Iterator[bytes] = iter(())

    async def opened(self) -> None:
        """Wait for the CLI's greeting: what happens after it is in the stream."""
        if await self.next(timeout_s=_CALL_TIMEOUT_S) is None:
            raise BackendCrashed("opencode opened no event stream")

    async def next(self, *, timeout_s: float | None) -> bytes | None:
        """The next event, None when `timeout_s` have passed without one.

        Raises:
            BackendCrashed: the stream has ended or broken.
        """
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await self._next()
        except TimeoutError as error:
            if limit.expired():
                return None
            raise BackendCrashed("opencode has fallen silent") from error
        except (aiohttp.ClientError, Oversized) as error:
            raise BackendCrashed(f"the event stream of opencode broke: {_told(error)}") from error

    async def _next(self) -> bytes:
        while (data := next(self._ready, None)) is None:
            chunk = await self._content.readany()
            if not chunk:
                raise BackendCrashed("the event stream of opencode has ended")
            self._ready = self._decoder.feed(chunk)
        return data


class _Named(msgspec.Struct):
    id: str


class _Provider(msgspec.Struct):
    id: str
    models: dict[str, msgspec.Raw] = {}


class _Providers(msgspec.Struct):
    providers: list[_Provider] = []


class _Health(msgspec.Struct):
    version: str = ""


class _Status(msgspec.Struct):
    type: str


def _read(answer: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(answer, type=kind)
    except ValueError as error:
        raise BackendCrashed(f"opencode answered something else: {error}") from error


def _encoded(password: str) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode("ascii")


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__


def _check(status: int, answer: bytes | bytearray) -> None:
    if status >= 400:
        raise Refused(f"opencode answered HTTP {status}: {_excerpt(answer)}")


def _excerpt(answer: bytes | bytearray) -> str:
    return answer[:500].decode("utf-8", "replace")
