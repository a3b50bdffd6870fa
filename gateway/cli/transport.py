"""HTTP to one gateway; the only place here that knows httpx."""

import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from typing import Any

import httpx

from gateway.cli import sse
from gateway.cli.connection import Connection
from gateway.cli.errors import NoGateway, Refused, Trouble

_TIMEOUT = httpx.Timeout(15.0, read=90.0)
"""Creating an agent answers when it is ready, by default within 60 s."""
_STREAM_TIMEOUT = httpx.Timeout(15.0, read=45.0)
"""Of three comments of a stream one at least comes."""
_ANSWER_LIMIT_BYTES = 32 * 1024 * 1024


class Transport:
    """Calls may be made side by side, until it is closed.

    Every method raises NoGateway when nothing answers, Refused with the
    gateway's own words when it answers with an error.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        headers = {"content-type": "application/json"}
        if connection.api_key:
            headers["authorization"] = f"Bearer {connection.api_key}"
        self._http = httpx.AsyncClient(
            base_url=connection.url,
            headers=headers,
            timeout=_TIMEOUT,
            trust_env=not connection.on_this_machine,  # a proxy cannot reach our loopback
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        opened: Callable[[], None] | None,
        nothing: str,
    ) -> AsyncGenerator[bytes, None]:
        """The data of events as they come, b"" for a comment; ends when the gateway ends it.

        Raises:
            Refused: also when the gateway breaks it off, with its reason.
            Trouble: nothing is to come, in the words of `nothing`.
        """
        request = self._http.build_request(
            "GET",
            path,
            params=self._query(query),
            headers={"accept": "text/event-stream"},
            timeout=_STREAM_TIMEOUT,
        )
        with self._failures():
            response = await self._http.send(request, stream=True)
            try:
                if response.status_code == httpx.codes.NO_CONTENT:
                    raise Trouble(nothing)
                if not response.is_success:
                    self._answer(response, await _bounded(response))
                if opened is not None:
                    opened()
                async for data in sse.events(response.aiter_bytes()):
                    yield data
            finally:
                await response.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        owner: bool = True,
    ) -> dict[str, Any]:
        """The answer; `owner`: names the owner in the query."""
        return self._answer(*await self._fetch(method, path, query, body, owner=owner))

    async def content(self, path: str, *, query: Mapping[str, str]) -> bytes:
        """An answer as it came."""
        response, content = await self._fetch("GET", path, query, None, owner=True)
        self._answer(response, content)
        return content

    async def _fetch(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, object] | None,
        *,
        owner: bool,
    ) -> tuple[httpx.Response, bytes]:
        request = self._http.build_request(
            method,
            path,
            params=self._query(query or {}) if owner else query,
            content=None if body is None else json.dumps(body),
        )
        with self._failures():
            response = await self._http.send(request, stream=True)
            try:
                return response, await _bounded(response)
            finally:
                await response.aclose()

    def _query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """With the owner, where one is named."""
        user = self._connection.user
        return query if user is None else {**query, "user_id": user}

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """What goes wrong on the way to the gateway becomes NoGateway."""
        try:
            yield
        except httpx.ConnectError as error:
            raise NoGateway(self._nobody()) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NoGateway(
                f"the gateway at {self._connection.url} broke off: {reason}; try again"
            ) from error

    def _nobody(self) -> str:
        return (
            f"no gateway answers at {self._connection.url}; "
            "start one with `forge serve`, or name it with FORGE_URL"
        )

    def _answer(self, response: httpx.Response, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content) if content else {}
        except ValueError:
            answer = None
        if response.is_success and isinstance(answer, dict):
            replayed = {"replayed": True} if "idempotent-replayed" in response.headers else {}
            return answer | replayed
        if not isinstance(answer, dict) or not isinstance(answer.get("message"), str):
            raise Trouble(
                f"what answers at {self._connection.url} is no gateway "
                f"(HTTP {response.status_code}); is FORGE_URL right?"
            )
        raise Refused(
            self._advised(answer["message"], response),
            status=response.status_code,
            code=str(answer.get("error", "")),
        )

    def _advised(self, message: str, response: httpx.Response) -> str:
        """The gateway's words, and what a person at a terminal can do."""
        if response.status_code == httpx.codes.UNAUTHORIZED:
            return f"{message}; set FORGE_API_KEY to a key of this gateway"
        if self._connection.user is None and message.startswith(("owner_id is", "user_id is")):
            return f"{message}; this API key needs one: set FORGE_USER or give --user"
        wait_s = response.headers.get("retry-after")
        return f"{message}; try again in {wait_s} s" if wait_s else message


async def _bounded(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _ANSWER_LIMIT_BYTES:
            raise Trouble(f"the answer is over {_ANSWER_LIMIT_BYTES} bytes")
    return bytes(content)
