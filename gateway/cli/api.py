"""Calls to a gateway's HTTP API; the only place here that knows httpx."""

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gateway.cli.connection import Connection
from gateway.cli.errors import NoGateway, Refused, Trouble

JSON = dict[str, Any]

_TIMEOUT = httpx.Timeout(15.0, read=90.0)
"""Creating an agent answers when it is ready, by default within 60 s."""
_ANSWER_LIMIT_BYTES = 32 * 1024 * 1024


class Api:
    """One gateway. An async context manager; used by one task at a time.

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
    ) -> JSON:
        """The agent, ready."""
        body = {
            "owner_id": self._connection.user,
            "backend": backend,
            "model": model,
            "permission_mode": permission_mode,
            "env": env,
            "labels": labels,
        }
        return await self._call("POST", "/api/v1/agents", body=_given(body), owner=False)

    async def list_agents(self) -> Sequence[JSON]:
        agents: Sequence[JSON] = (await self._call("GET", "/api/v1/agents")).get("agents", [])
        return agents

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
        params = dict(query or {})
        if owner and self._connection.user is not None:
            params["user_id"] = self._connection.user
        request = self._http.build_request(
            method, path, params=params, content=None if body is None else json.dumps(body)
        )
        try:
            response = await self._http.send(request, stream=True)
            try:
                content = await _bounded(response)
            finally:
                await response.aclose()
        except httpx.ConnectError as error:
            raise NoGateway(self._nobody()) from error
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise NoGateway(
                f"the gateway at {self._connection.url} broke off: {reason}; try again"
            ) from error
        return self._answer(response, content)

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


def _given(body: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if value not in (None, "", {})}
