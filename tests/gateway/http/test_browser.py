"""Web pages in the user's browser: kept out without keys, let in from CORS_ORIGINS."""

from collections.abc import AsyncIterator

import pytest

from gateway.http.apikeys import ApiKeys
from gateway.settings import Settings
from gateway.variables import Origins
from tests.gateway.http.conftest import WEBHOOK, Door, KeyRing, open_door
from tests.gateway.http.wire import exchange

APP = "https://app.example.com"
AGENTS = "/api/v1/agents"
JSON = {"Content-Type": "application/json"}
BODY = b'{"owner_id": "ada"}'


@pytest.fixture
async def cors_door() -> AsyncIterator[Door]:
    async with open_door(Settings(origins=Origins([APP]))) as opened:
        yield opened


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil", "",
             "10.0.0.1", "0.0.0.0", "127.1", "[::1].evil", "user@localhost", "x.localhost"]
)  # fmt: skip
async def test_a_rebound_name_is_misdirected(door: Door, host: str) -> None:
    """DNS rebinding: same-origin for the browser, but Host is the site's name: 421."""
    for method, path in (("POST", AGENTS), ("GET", AGENTS), ("GET", "/healthz")):
        answer = await door.http.request(
            method,
            path,
            content=BODY if method == "POST" else None,
            headers={**JSON, "Host": host, "Origin": f"http://{host}"},
        )
        assert answer.status_code == 421, host
        assert answer.json()["error"] == "misdirected_request"
    assert not door.launcher.specs


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9:1", "localhost", "LocalHost:8080", "[::1]", "[::1]:8080"]
)
async def test_loopback_names_are_answered(door: Door, host: str) -> None:
    """Every way to say this machine works, with any port."""
    answer = await door.http.post(AGENTS, content=BODY, headers={**JSON, "Host": host})
    assert answer.status_code == 201


async def test_two_hosts_are_misdirected(door: Door) -> None:
    """Two Host headers could mean either."""
    answer = await exchange(
        door.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"
    )
    assert answer.status in (400, 421)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:3000"])
async def test_a_cross_site_request_is_forbidden(door: Door, origin: str) -> None:
    """A page of another origin changes nothing, whatever it sends."""
    door.launcher.add("a1", "ada")
    calls = [
        ("POST", AGENTS),
        ("POST", "/api/v1/agents/a1/messages?user_id=ada"),
        ("DELETE", "/api/v1/agents/a1?user_id=ada"),
        ("PATCH", "/api/v1/agents/a1?user_id=ada"),
    ]
    for method, path in calls:
        answer = await door.http.request(
            method, path, content=BODY, headers={**JSON, "Origin": origin}
        )
        assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert "a1" in door.launcher.agents
    assert not door.launcher.specs
    assert not door.commands.sent


async def test_its_own_origin_may_call(door: Door) -> None:
    """A page that the gateway itself served is no other site."""
    origin = door.server.url
    answer = await door.http.post(AGENTS, content=BODY, headers={**JSON, "Origin": origin})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
async def test_a_form_is_no_command(door: Door, media_type: str | None) -> None:
    """What a form of any page can send without a preflight is 415, even when it is empty."""
    door.launcher.add("a1", "ada")
    headers = {"Content-Type": media_type} if media_type else {}
    for path in (AGENTS, "/api/v1/agents/a1/grpc-token?user_id=ada"):
        for content in (b'{"owner_id": "ada"}', b""):
            answer = await door.http.post(path, content=content, headers=headers)
            assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
    assert not door.launcher.specs


async def test_json_with_a_charset_is_json(door: Door) -> None:
    """Parameters and case of the content type do not matter."""
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert (await door.http.post(AGENTS, content=BODY, headers=headers)).status_code == 201


async def test_with_keys_any_host_is_right(key_ring: KeyRing) -> None:
    """Where keys protect, names do not matter, and no page has the key."""
    async with open_door(keys=ApiKeys(key_ring.path)) as opened:
        headers = {
            "Host": "api.example.com",
            "Origin": "https://evil.example",
            "Authorization": f"Bearer {key_ring.ada}",
        }
        answer = await opened.http.post(AGENTS, json={"owner_id": "ada"}, headers=headers)
        assert answer.status_code == 201
        assert "access-control-allow-origin" not in answer.headers


async def test_without_origins_nothing_is_cross_origin(door: Door) -> None:
    """CORS_ORIGINS empty: no answer that a browser would take for a yes."""
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    for answer in (
        await door.http.options(AGENTS, headers=asked),
        await door.http.get(AGENTS, headers={"Origin": APP}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_listed_origin_may_call(cors_door: Door) -> None:
    """Preflight and answer name the origin, the methods and the headers."""
    asked = {
        "Origin": APP,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization, idempotency-key",
    }
    preflight = await cors_door.http.options(AGENTS, headers=asked)
    assert (preflight.status_code, preflight.content) == (204, b"")
    allowed = preflight.headers
    assert allowed["access-control-allow-origin"] == APP
    assert allowed["access-control-allow-credentials"] == "true"
    assert allowed["access-control-max-age"] == "86400"
    assert allowed["access-control-allow-methods"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    for name in ("Content-Type", "Authorization", "Idempotency-Key"):
        assert name in allowed["access-control-allow-headers"]
    assert "x-request-id" in allowed
    answer = await cors_door.http.post(
        AGENTS, json={"owner_id": "ada", **WEBHOOK}, headers={"Origin": APP}
    )
    assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == APP
    assert "Origin" in answer.headers["vary"]


async def test_errors_are_cross_origin_too(cors_door: Door) -> None:
    """A page of a listed origin can read why it failed."""
    answer = await cors_door.http.get("/api/v1/agents/none?user_id=ada", headers={"Origin": APP})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, APP)


async def test_another_origin_is_refused_in_our_form(cors_door: Door) -> None:
    """A preflight that fails is an error like any other."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await cors_door.http.options(AGENTS, headers=asked)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert "access-control-allow-origin" not in answer.headers
