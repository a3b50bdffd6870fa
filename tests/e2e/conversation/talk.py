"""A conversation with one agent, as a caller without a webhook holds it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from tests.peers.gateway import Client

LIMIT_S = 90.0
"""The first prompt starts the CLI."""

Payload = dict[str, Any]


@dataclass
class Talk:
    client: Client
    agent: str

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.http.post(
            f"/api/v1/agents/{self.agent}/{path}", params={"user_id": self.client.user}, json=body
        )

    async def patch(self, **body: Any) -> httpx.Response:
        return await self.client.http.patch(
            f"/api/v1/agents/{self.agent}", params={"user_id": self.client.user}, json=body
        )

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.http.get(
            f"/api/v1/agents/{self.agent}/{path}", params={"user_id": self.client.user, **query}
        )

    async def send(self, content: str, **body: Any) -> str:
        """The turn's id, once it is accepted."""
        answer = await self.post("messages", content=content, **body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["request_id"])

    async def whole(self, request_id: str) -> list[Payload]:
        """Every event of a turn, up to its final."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                answer = await self.get("events", request_id=request_id, limit=1000)
                payloads: list[Payload] = answer.json().get("events", [])
                if payloads and payloads[-1].get("is_final"):
                    return payloads
                await asyncio.sleep(0.1)

    async def until_said(self, request_id: str, text: str) -> None:
        """Its streamed text has this in it."""
        async with asyncio.timeout(LIMIT_S):
            while text not in (await self.get("events", request_id=request_id)).text:
                await asyncio.sleep(0.1)

    async def say(self, content: str, **body: Any) -> list[Payload]:
        """Every event of a new turn."""
        return await self.whole(await self.send(content, **body))

    async def asked(self, count: int = 1) -> list[Payload]:
        """What waits for an answer, once that many do."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                prompts: list[Payload] = (await self.get("prompts")).json()["prompts"]
                if len(prompts) >= count:
                    return prompts
                await asyncio.sleep(0.1)


def kinds(payloads: list[Payload], kind: str) -> list[Payload]:
    """The data of the events of one kind."""
    return [payload["data"] for payload in payloads if payload.get("kind") == kind]
