"""Keys and owners on every route of a real gateway: who may do what."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.cli.command import forge
from tests.peers.gateway import Client, GatewayProcess, House, house

OPEN = {"/healthz", "/readyz", "/docs", "/openapi.json"}


@pytest.fixture
async def keys(tmp_path: Path) -> dict[str, str]:
    """Keys as `forge keys new` makes them: ada's, bob's, and one for all owners."""
    made = {}
    for name, owner in (("ada", "ada"), ("bob", "bob"), ("root", "*")):
        outcome = await forge(
            "keys", "new", name, "--owner", owner, "--file", str(tmp_path / "keys"), env={}
        )
        assert outcome.status == 0, outcome.err
        made[name] = next(word for word in outcome.out.split() if len(word) > 30)
    return made


@pytest.fixture
async def place(tmp_path: Path, keys: dict[str, str]) -> AsyncIterator[House]:
    assert keys
    async with house(tmp_path, FORGE_KEYS_FILE=str(tmp_path / "keys")) as made:
        yield made


@pytest.fixture
async def ada(gateway: GatewayProcess, keys: dict[str, str]) -> AsyncIterator[Client]:
    async with gateway.client("ada", keys["ada"]) as made:
        yield made


@pytest.fixture
async def bob(gateway: GatewayProcess, keys: dict[str, str]) -> AsyncIterator[Client]:
    async with gateway.client("bob", keys["bob"]) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Route:
    """One that the gateway says it has, with the body it gives as an example."""

    method: str
    path: str
    body: Any

    async def ask(self, http: httpx.AsyncClient, agent: str, **others: Any) -> httpx.Response:
        path = self.path.format(agent_id=agent, request_id="r-1", prompt_id="p-1")
        return await http.request(self.method, path, json=self.body, **others)


async def routes(http: httpx.AsyncClient) -> list[Route]:
    """All of them."""
    paths: dict[str, dict[str, Any]] = (await http.get("/openapi.json")).json()["paths"]
    return [
        Route(method.upper(), path, _example(told))
        for path, methods in paths.items()
        for method, told in methods.items()
    ]


def _example(told: dict[str, Any]) -> Any:
    content = told.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("example")


async def test_every_route_wants_a_key(gateway: GatewayProcess, ada: Client) -> None:
    """Without one, or with a wrong one: 401 on everything but health, docs and the schema."""
    agent = await ada.create()
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False) as nobody:
        asked = await routes(nobody)
        assert len(asked) >= 10
        for route in asked:
            for headers in ({}, {"authorization": "Bearer nonsense"}):
                answer = await route.ask(nobody, agent, params={"user_id": "ada"}, headers=headers)
                if route.path in OPEN:
                    assert answer.status_code == 200, route
                else:
                    assert answer.status_code == 401, route
                    assert answer.json()["error"] == "unauthorized"
    assert (await ada.get(agent)).status_code == 200


async def test_an_owner_cannot_touch_anothers_agent(ada: Client, bob: Client) -> None:
    """404 under one's own name, 403 under the owner's: on every route with an agent in it."""
    agent = await ada.create()
    asked = [route for route in await routes(bob.http) if "{agent_id}" in route.path]
    assert len(asked) >= 5
    for route in asked:
        for user, status in (("bob", 404), ("ada", 403)):
            answer = await route.ask(bob.http, agent, params={"user_id": user})
            assert answer.status_code == status, (route, user, answer.text)
    assert (await ada.get(agent)).status_code == 200


async def test_lists_and_creation_stay_within_the_scope(
    gateway: GatewayProcess, ada: Client, bob: Client, keys: dict[str, str]
) -> None:
    """Each sees its own; only a key for all owners sees all and /metrics."""
    mine = await ada.create()
    theirs = await bob.create()
    listed = (await ada.http.get("/api/v1/agents", params={"user_id": "ada"})).json()
    assert [agent["agent_id"] for agent in listed["agents"]] == [mine]
    for_other = await ada.http.post("/api/v1/agents", json={"owner_id": "bob"})
    others = await ada.http.get("/api/v1/agents", params={"user_id": "bob"})
    metrics = await ada.http.get("/metrics")
    assert [for_other.status_code, others.status_code, metrics.status_code] == [403, 403, 403]
    async with gateway.client("root", keys["root"]) as root:
        everything = (await root.http.get("/api/v1/agents")).json()
        assert {agent["agent_id"] for agent in everything["agents"]} == {mine, theirs}
        assert (await root.http.get("/metrics")).status_code == 200


async def test_a_key_that_is_taken_out_stops_working(tmp_path: Path, ada: Client) -> None:
    """The keys file is read again when it changes, without a restart."""
    agent = await ada.create()
    file = tmp_path / "keys"
    left = [line for line in file.read_text("utf-8").splitlines() if not line.startswith("ada ")]
    file.write_text("\n".join(left) + "\n", "utf-8")
    async with asyncio.timeout(10):
        while (await ada.get(agent)).status_code != 401:
            await asyncio.sleep(0.05)
