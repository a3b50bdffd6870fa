"""The description and what is served are the same thing."""

import re
from html.parser import HTMLParser
from typing import Any

import jsonschema_rs

from tests.gateway.http.conftest import Door


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that can stand alone."""
    return {**schema, "components": document["components"]}


async def test_examples_fit_their_schemas(door: Door) -> None:
    """What the description shows would be accepted, or is what is answered."""
    document = (await door.http.get("/openapi.json")).json()
    checked = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            holders = [operation["requestBody"]] if "requestBody" in operation else []
            holders += operation["responses"].values()
            for holder in holders:
                content = holder.get("content", {}).get("application/json", {})
                if "example" in content:
                    schema = resolved(document, content["schema"])
                    jsonschema_rs.validate(schema, content["example"])
                    checked += 1
    assert checked >= 10


async def test_every_route_is_described(door: Door) -> None:
    """Names, answers, and the errors that each can have."""
    document = (await door.http.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    described = {
        f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert described == {
        "POST /api/v1/agents",
        "GET /api/v1/agents",
        "GET /api/v1/agents/{agent_id}",
        "DELETE /api/v1/agents/{agent_id}",
        "POST /api/v1/agents/{agent_id}/messages",
        "POST /api/v1/agents/{agent_id}/interrupt",
        "PATCH /api/v1/agents/{agent_id}",
        "POST /api/v1/agents/{agent_id}/sessions",
        "POST /api/v1/agents/{agent_id}/fork",
        "GET /api/v1/agents/{agent_id}/messages",
        "GET /api/v1/agents/{agent_id}/export",
        "GET /api/v1/agents/{agent_id}/prompts",
        "POST /api/v1/agents/{agent_id}/prompts/{prompt_id}",
        "POST /api/v1/agents/{agent_id}/grpc-token",
        "GET /api/v1/agents/{agent_id}/diff",
        "GET /api/v1/agents/{agent_id}/events",
        "GET /api/v1/agents/{agent_id}/turns",
        "GET /api/v1/agents/{agent_id}/turns/{request_id}",
        "POST /api/v1/agents/{agent_id}/turns/{request_id}/redeliver",
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /docs",
    }
    send = document["paths"]["/api/v1/agents/{agent_id}/messages"]["post"]
    assert {"202", "400", "403", "404", "409", "413", "415", "429", "503"} <= set(send["responses"])
    names = {(p["name"], p["in"], p.get("required", False)) for p in send["parameters"]}
    assert ("user_id", "query", True) in names
    assert ("Idempotency-Key", "header", False) in names
    assert "security" not in send
    read = document["paths"]["/api/v1/agents/{agent_id}/events"]["get"]
    assert {"200", "204", "404", "410"} <= set(read["responses"])
    assert set(read["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert ("Last-Event-ID", "header") in {(p["name"], p["in"]) for p in read["parameters"]}


async def test_with_keys_the_scheme_is_described(keyed_door: Door) -> None:
    """Keys are asked for where they are needed, and an owner need not be named."""
    document = (await keyed_door.http.get("/openapi.json")).json()
    show = document["paths"]["/api/v1/agents/{agent_id}"]["get"]
    assert show["security"] == [{"apiKey": []}]
    assert {"401", "403"} <= set(show["responses"])
    assert not [p for p in show["parameters"] if p["in"] == "query" and p["required"]]
    assert document["paths"]["/healthz"]["get"]["security"] == []


class Page(HTMLParser):
    """Collects what a page would load or run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_docs_page_stands_alone(door: Door) -> None:
    """It loads nothing, runs nothing, is not allowed to, and shows every route with a curl line."""
    answer = await door.http.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    page = Page()
    page.feed(answer.text)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if "src" in attrs or "style" in attrs]
    for link in (attrs["href"] for tag, attrs in page.tags if tag == "a"):
        assert link == "/openapi.json" or re.fullmatch("#[A-Za-z-]+", link or "")
    assert "/api/v1/agents/{agent_id}/messages" in page.text
    assert "curl -s -X POST" in page.text
    assert "webhook_secret" in page.text


async def test_names_in_maps_are_described(door: Door) -> None:
    """The schema of `env` refuses the names that the gateway refuses."""
    document = (await door.http.get("/openapi.json")).json()
    schema = resolved(document, document["components"]["schemas"]["CreateAgent"])
    validator = jsonschema_rs.validator_for(schema)
    assert validator.is_valid({"owner_id": "a", "env": {"A_1": "x"}, "labels": {"a/b": ""}})
    assert not validator.is_valid({"owner_id": "a", "env": {"A-1": "x"}})
    assert not validator.is_valid({"owner_id": "a", "labels": {"a b": "x"}})
    assert not validator.is_valid({"owner_id": "a", "delivery": {}, "content": 1, "env": None})
