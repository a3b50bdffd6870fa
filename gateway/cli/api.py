"""Calls of a gateway's HTTP API, by their names."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import msgspec

from gateway.cli.connection import Connection
from gateway.cli.transport import Transport

JSON = dict[str, Any]


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
        self._transport = Transport(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._transport.close()

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
        return await self._transport.call(
            "POST", "/api/v1/agents", query=query, body=_given(body), owner=False
        )

    async def list_agents(self) -> Sequence[JSON]:
        agents: Sequence[JSON] = (await self._transport.call("GET", "/api/v1/agents")).get(
            "agents", []
        )
        return agents

    async def show_agent(self, agent_id: str) -> JSON:
        """What the gateway knows of it."""
        return await self._transport.call("GET", _agent(agent_id))

    async def get_agent(self, agent_id: str) -> JSON:
        """With what the agent says of itself, where it answers."""
        return await self._transport.call("GET", _agent(agent_id), query={"refresh": "true"})

    async def delete_agent(self, agent_id: str, *, graceful: bool) -> None:
        query = {"graceful": "true"} if graceful else {}
        await self._transport.call("DELETE", _agent(agent_id), query=query)

    async def send(self, agent_id: str, message: Mapping[str, object]) -> JSON:
        """Submit a message in wire form (`content`, `webhook_url`, ...).

        The answer has `request_id`, and a true `replayed` where it had been accepted
        before: its events then go where they were to go that time.
        """
        return await self._transport.call(
            "POST", _agent(agent_id) + "/messages", body=_given(message)
        )

    async def interrupt(self, agent_id: str, order: Mapping[str, object]) -> JSON:
        """Interrupt the running turn, or `target`, in wire form; answers like `send`."""
        return await self._transport.call(
            "POST", _agent(agent_id) + "/interrupt", body=_given(order)
        )

    async def change_agent(self, agent_id: str, change: Mapping[str, object]) -> JSON:
        """`model` and `permission_mode`, where given; the agent as it is then."""
        return await self._transport.call("PATCH", _agent(agent_id), body=_given(change))

    async def new_session(self, agent_id: str, order: Mapping[str, object]) -> JSON:
        """A fresh conversation, once the messages before it are done with."""
        return await self._transport.call(
            "POST", _agent(agent_id) + "/sessions", body=_given(order)
        )

    async def list_prompts(self, agent_id: str) -> Sequence[JSON]:
        """What the agent asks and nobody has answered, oldest first."""
        prompts: Sequence[JSON] = (
            await self._transport.call("GET", _agent(agent_id) + "/prompts")
        )["prompts"]
        return prompts

    async def answer(self, agent_id: str, prompt_id: str, reply: Mapping[str, object]) -> JSON:
        """`decision` and `message` to a permission, `answers` to a question."""
        path = f"{_agent(agent_id)}/prompts/{quote(prompt_id, safe='')}"
        return await self._transport.call("POST", path, body=_given(reply))

    async def list_messages(self, agent_id: str, *, limit: int) -> Sequence[JSON]:
        """The newest of the conversation, oldest first."""
        path, query = _agent(agent_id) + "/messages", {"limit": str(limit)}
        messages: Sequence[JSON] = (await self._transport.call("GET", path, query=query))[
            "messages"
        ]
        return messages

    async def list_events(
        self, agent_id: str, *, turn: str = "", after: int | None = None
    ) -> EventsPage:
        """One page, as long as the gateway makes it."""
        query = _stretch(turn, after) | {"limit": "1000"}
        content = await self._transport.content(_agent(agent_id) + "/events", query=query)
        return msgspec.json.decode(content, type=EventsPage)

    async def stream_events(
        self,
        agent_id: str,
        *,
        turn: str = "",
        after: int | None = None,
        opened: Callable[[], None] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Payloads as they come, b"" for a sign of life; ends when the gateway ends it.

        `opened` is called when the gateway has answered, before the first payload.

        Raises:
            Refused: also when the gateway breaks it off, with its reason.
            Trouble: the turn has ended, and there is nothing after that seq.
        """
        messages = self._transport.stream(
            _agent(agent_id) + "/events",
            query=_stretch(turn, after),
            opened=opened,
            nothing=f"turn {turn} has ended; nothing of it is after seq {after}",
        )
        async with aclosing(messages):
            async for data in messages:
                yield data

    async def list_turns(self, agent_id: str) -> Sequence[JSON]:
        """All, oldest first, a page at a time."""
        turns: list[JSON] = []
        before = ""
        while True:
            page = await self._turns(agent_id, before)
            turns[:0] = page["turns"]
            if not page["turns"] or not page.get("more"):
                return turns
            before = str(turns[0]["request_id"])

    async def newest_turns(self, agent_id: str) -> Sequence[JSON]:
        """The last 200, oldest first."""
        turns: Sequence[JSON] = (await self._turns(agent_id))["turns"]
        return turns

    async def _turns(self, agent_id: str, before: str = "") -> JSON:
        query = {"before": before} if before else {}
        return await self._transport.call("GET", _agent(agent_id) + "/turns", query=query)

    async def get_turn(self, agent_id: str, request_id: str) -> JSON:
        return await self._transport.call("GET", _turn(agent_id, request_id))

    async def get_diff(self, agent_id: str, *, turn: str = "") -> JSON:
        """`diff`, `files` and `truncated`; of all turns, or of one, then with `turns`."""
        query = {"request_id": turn} if turn else {}
        return await self._transport.call("GET", _agent(agent_id) + "/diff", query=query)

    async def redeliver(self, agent_id: str, request_id: str, order: Mapping[str, object]) -> JSON:
        """`from_seq`, `webhook_url`, `webhook_secret`, where given; answers with `generation`."""
        path = _turn(agent_id, request_id) + "/redeliver"
        return await self._transport.call("POST", path, body=_given(order))

    async def grpc_token(self, agent_id: str) -> JSON:
        """`address` and `token` for direct gRPC clients."""
        return await self._transport.call("POST", _agent(agent_id) + "/grpc-token", body={})

    async def healthy(self) -> bool:
        """Whether a gateway answers there; raises NoGateway when nothing does."""
        return (await self._transport.call("GET", "/healthz", owner=False)).get("status") == "ok"


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
