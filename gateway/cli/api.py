"""Calls to a gateway's HTTP API; the only place here that knows httpx."""

import contextlib
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
import msgspec

from gateway.cli import sse
from gateway.cli.connection import Connection
from gateway.cli.errors import NoGateway, Refused, Trouble

JSON = dict[str, Any]

_TIMEOUT = httpx.Timeout(15.0, read=90.0)
"""Creating an agent answers when it is ready, by default within 60 s."""
_STREAM_TIMEOUT = httpx.Timeout(15.0, read=45.0)
"""Of three comments of a stream one at least comes."""
_ANSWER_LIMIT_BYTES = 32 * 1024 * 1024


class EventsPage(msgspec.Struct, frozen=True):
    """Payloads as webhooks carry them; more of them after that seq."""

    events: list[msgspec.Raw]
    next_after_seq: int
    more: bool


class Api:
    """One gateway. An async context manager; calls may be made side by side.

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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def create_agent(
        self,
        *,
        backend: str = "",
        model: str = "",
        permission_mode: str = "",
        env: Mapping[str, str],
        labels: Mapping[str, str],
        wait: bool = True,
    ) -> JSON:
        """The agent, ready; without `wait` as it is when it has just been made."""
        body = {
            "owner_id": self._connection.user,
            "backend": backend,
            "model": model,
            "permission_mode": permission_mode,
            "env": env,
            "labels": labels,
        }
        query = {} if wait else {"wait": "false"}
        return await self._call(
            "POST", "/api/v1/agents", query=query, body=_given(body), owner=False
        )

    async def list_agents(self) -> Sequence[JSON]:
        agents: Sequence[JSON] = (await self._call("GET", "/api/v1/agents")).get("agents", [])
        return agents

    async def show_agent(self, agent_id: str) -> JSON:
        """What the gateway knows of it."""
        return await self._call("GET", _agent(agent_id))

    async def get_agent(self, agent_id: str) -> JSON:
        """With what the agent says of itself, where it answers."""
        return await self._call("GET", _agent(agent_id), query={"refresh": "true"})

    async def delete_agent(self, agent_id: str, *, graceful: bool) -> None:
        query = {"graceful": "true"} if graceful else {}
        await self._call("DELETE", _agent(agent_id), query=query)

    async def send(self, agent_id: str, message: Mapping[str, object]) -> JSON:
        """Submit a message in wire form (`content`, `webhook_url`, ...).

        The answer has `request_id`, and a true `replayed` where it had been accepted
        before: its events then go where they were to go that time.
        """
        return await self._call("POST", _agent(agent_id) + "/messages", body=_given(message))

    async def interrupt(self, agent_id: str, order: Mapping[str, object]) -> JSON:
        """Interrupt the running turn, or `target`, in wire form; answers like `send`."""
        return await self._call("POST", _agent(agent_id) + "/interrupt", body=_given(order))

    async def list_events(
        self, agent_id: str, *, turn: str = "", after: int | None = None
    ) -> EventsPage:
        """One page, as long as the gateway makes it."""
        query = _stretch(turn, after) | {"limit": "1000"}
        response, content = await self._fetch("GET", _agent(agent_id) + "/events", query=query)
        self._answer(response, content)
        return msgspec.json.decode(content, type=EventsPage)

    async def stream_events(
        self, agent_id: str, *, turn: str = "", after: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Payloads as they come, b"" for a sign of life; ends when the gateway ends it.

        Raises:
            Refused: also when the gateway breaks it off, with its reason.
            Trouble: the turn has ended, and there is nothing after that seq.
        """
        request = self._http.build_request(
            "GET",
            _agent(agent_id) + "/events",
            params=self._query(_stretch(turn, after)),
            headers={"accept": "text/event-stream"},
            timeout=_STREAM_TIMEOUT,
        )
        with self._failures():
            response = await self._http.send(request, stream=True)
            try:
                if response.status_code == httpx.codes.NO_CONTENT:
                    raise Trouble(f"turn {turn} has ended; nothing of it is after seq {after}")
                if not response.is_success:
                    self._answer(response, await _bounded(response))
                async for data in sse.events(response.aiter_bytes()):
                    yield data
            finally:
                await response.aclose()

    async def list_turns(self, agent_id: str) -> Sequence[JSON]:
        """All, oldest first, a page at a time."""
        turns: list[JSON] = []
        query: dict[str, str] = {}
        while True:
            page = await self._call("GET", _agent(agent_id) + "/turns", query=query)
            turns[:0] = page["turns"]
            if not page["turns"] or not page.get("more"):
                return turns
            query = {"before": str(turns[0]["request_id"])}

    async def get_turn(self, agent_id: str, request_id: str) -> JSON:
        return await self._call("GET", _turn(agent_id, request_id))

    async def redeliver(self, agent_id: str, request_id: str, order: Mapping[str, object]) -> JSON:
        """`from_seq`, `webhook_url`, `webhook_secret`, where given; answers with `generation`."""
        path = _turn(agent_id, request_id) + "/redeliver"
        return await self._call("POST", path, body=_given(order))

    async def grpc_token(self, agent_id: str) -> JSON:
        """`address` and `token` for direct gRPC clients."""
        return await self._call("POST", _agent(agent_id) + "/grpc-token", body={})

    async def healthy(self) -> bool:
        """Whether a gateway answers there; raises NoGateway when nothing does."""
        return (await self._call("GET", "/healthz", owner=False)).get("status") == "ok"

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        owner: bool = True,
    ) -> JSON:
        return self._answer(*await self._fetch(method, path, query=query, body=body, owner=owner))

    async def _fetch(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
        owner: bool = True,
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

    def _answer(self, response: httpx.Response, content: bytes) -> JSON:
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


def _agent(agent_id: str) -> str:
    return f"/api/v1/agents/{quote(agent_id, safe='')}"


def _turn(agent_id: str, request_id: str) -> str:
    return f"{_agent(agent_id)}/turns/{quote(request_id, safe='')}"


def _stretch(turn: str, after: int | None) -> dict[str, str]:
    """The query for events of a turn, after a seq."""
    query = {"request_id": turn} if turn else {}
    return query if after is None else {**query, "after_seq": str(after)}


def _given(body: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if value not in (None, "", {})}
