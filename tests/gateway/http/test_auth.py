"""API keys: who gets in, and whose agents they may use."""

import hashlib
import logging
from pathlib import Path

import pytest

from gateway.errors import BadRequest, SettingsError
from gateway.http.apikeys import ApiKeys, new_key, parse
from tests.gateway.http.conftest import WEBHOOK, Door, KeyRing

AGENT_ROUTES = [
    ("GET", "/api/v1/agents/{id}"),
    ("DELETE", "/api/v1/agents/{id}"),
    ("POST", "/api/v1/agents/{id}/messages"),
    ("POST", "/api/v1/agents/{id}/interrupt"),
    ("POST", "/api/v1/agents/{id}/grpc-token"),
]
ALL_ROUTES = [("GET", "/api/v1/agents"), ("POST", "/api/v1/agents"), *AGENT_ROUTES]
BODY = {"owner_id": "ada", "content": "hi", **WEBHOOK}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def call(door: Door, method: str, path: str, key: str, user_id: str | None = None) -> int:
    answer = await door.http.request(
        method,
        path,
        headers=bearer(key) if key else {},
        params={"user_id": user_id} if user_id is not None else {},
        json=BODY if method == "POST" else None,
    )
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error", "message"}
    if answer.status_code == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"] == "unauthorized"
    return answer.status_code


@pytest.mark.parametrize(("method", "path"), [*ALL_ROUTES, ("GET", "/metrics")])
async def test_every_route_wants_a_key(keyed_door: Door, method: str, path: str) -> None:
    """No key, a wrong key, another scheme: 401 with the challenge, before anything is looked up."""
    keyed_door.launcher.add("a1", "ada")
    path = path.format(id="a1")
    assert await call(keyed_door, method, path, "", "ada") == 401
    assert await call(keyed_door, method, path, "fk_wrong", "ada") == 401
    for credentials in (b"Basic eDp5", b"Bearer", b"Bearer \xe4", b"bearer x y"):
        headers = {b"Authorization": credentials}
        answer = await keyed_door.http.request(method, path, headers=headers)
        assert answer.status_code == 401
    assert "a1" in keyed_door.launcher.agents


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
async def test_what_needs_no_key(keyed_door: Door, path: str) -> None:
    """Probes and the description are for everybody."""
    assert (await keyed_door.http.get(path)).status_code == 200


@pytest.mark.parametrize(("method", "path"), AGENT_ROUTES)
async def test_somebody_elses_agent_is_unknown(
    keyed_door: Door, key_ring: KeyRing, method: str, path: str
) -> None:
    """404 for another's agent, exactly as for none; 403 for a user_id outside the key's scope."""
    keyed_door.launcher.add("e1", "eve")
    path = path.format(id="e1")
    assert await call(keyed_door, method, path, key_ring.ada) == 404
    assert await call(keyed_door, method, path, key_ring.ada, "ada") == 404
    assert await call(keyed_door, method, path, key_ring.ada, "eve") == 403
    assert await call(keyed_door, method, path, key_ring.everybody, "ada") == 404
    assert "e1" in keyed_door.launcher.agents
    assert not keyed_door.commands.sent
    assert await call(keyed_door, method, path, key_ring.everybody, "eve") < 300


async def test_a_single_owner_need_not_be_named(keyed_door: Door, key_ring: KeyRing) -> None:
    """A key with one owner stands for it; one with several, or all, asks which."""
    keyed_door.launcher.add("a1", "ada")
    for method, path in AGENT_ROUTES[2:]:
        assert await call(keyed_door, method, path.format(id="a1"), key_ring.both) == 400
        assert await call(keyed_door, method, path.format(id="a1"), key_ring.everybody) == 400
        assert await call(keyed_door, method, path.format(id="a1"), key_ring.ada) < 300


async def test_lists_stay_in_scope(keyed_door: Door, key_ring: KeyRing) -> None:
    """Only a key for all owners lists everybody's agents."""
    keyed_door.launcher.add("a1", "ada")
    keyed_door.launcher.add("b1", "bob, the builder")
    path = "/api/v1/agents"
    mine = await keyed_door.http.get(path, headers=bearer(key_ring.ada))
    assert [agent["agent_id"] for agent in mine.json()["agents"]] == ["a1"]
    everything = await keyed_door.http.get(path, headers=bearer(key_ring.everybody))
    assert everything.json()["total"] == 2
    assert await call(keyed_door, "GET", path, key_ring.both) == 400
    assert await call(keyed_door, "GET", path, key_ring.both, "bob, the builder") == 200
    assert await call(keyed_door, "GET", path, key_ring.both, "eve") == 403


async def test_agents_are_made_for_owners_in_scope_only(
    keyed_door: Door, key_ring: KeyRing
) -> None:
    """403 names owner_id, and nothing is made."""
    answer = await keyed_door.http.post(
        "/api/v1/agents", json={"owner_id": "eve"}, headers=bearer(key_ring.ada)
    )
    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert answer.json()["message"].startswith("owner_id")
    assert not keyed_door.launcher.specs
    assert await call(keyed_door, "POST", "/api/v1/agents", key_ring.both) == 201


async def test_metrics_are_for_keys_of_all_owners(keyed_door: Door, key_ring: KeyRing) -> None:
    """Numbers tell about everybody; they never name an agent."""
    keyed_door.launcher.add("a1", "ada")
    await call(keyed_door, "POST", "/api/v1/agents/a1/messages", key_ring.ada)
    assert await call(keyed_door, "GET", "/metrics", key_ring.ada) == 403
    answer = await keyed_door.http.get("/metrics", headers=bearer(key_ring.everybody))
    assert answer.status_code == 200
    assert (
        'forge_http_requests_total{method="POST",route="/api/v1/agents/{agent_id}/messages",'
        'status="202"} 1.0' in answer.text
    )
    assert "forge_accept_seconds_count 1.0" in answer.text
    assert "a1" not in answer.text


async def test_bodies_are_json_with_keys_too(keyed_door: Door, key_ring: KeyRing) -> None:
    """415 for another type; an empty POST that needs no body may go without."""
    keyed_door.launcher.add("a1", "ada")
    headers = {**bearer(key_ring.ada), "Content-Type": "text/plain"}
    answer = await keyed_door.http.post("/api/v1/agents", content=b"{}", headers=headers)
    assert answer.status_code == 415
    answer = await keyed_door.http.post(
        "/api/v1/agents/a1/grpc-token", headers=bearer(key_ring.ada)
    )
    assert answer.status_code == 200


def test_the_file_holds_hashes_and_encoded_owners() -> None:
    """A key's line never holds the key, and any owner can be written into it."""
    owners = ["ada", "b, c", "100% #1", "*x", "ü ber"]
    key, line = new_key("app.1", owners)
    assert key not in line
    assert line.split()[1] == hashlib.sha256(key.encode()).hexdigest()
    (entry,) = parse(line)
    assert entry.caller.owners == frozenset(owners)
    assert entry.caller.name == "app.1"
    assert parse(new_key("all", ["*"])[1])[0].caller.owners is None


@pytest.mark.parametrize(
    ("name", "owners"), [("a b", ["x"]), ("", ["x"]), ("a", []), ("a", [""]), ("a", ["x\n"])]
)
def test_new_keys_are_checked(name: str, owners: list[str]) -> None:
    """A line that could not be read back is not made."""
    with pytest.raises(BadRequest):
        new_key(name, owners)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no key in it"),
        ("# only a comment\n", "there is no key in it"),
        ("name " + "0" * 64, "line 1: `NAME SHA256 OWNER"),
        ("\nname " + "0" * 63 + " ada", "line 2: the second word"),
        ("na/me " + "0" * 64 + " ada", "line 1: the name"),
        ("name " + "0" * 64 + " ada,", "line 1: a text of 1 to 512"),
        ("name " + "0" * 64 + " %ff", "line 1: an owner is not percent-encoded UTF-8"),
        ("a " + "0" * 64 + " x\na " + "1" * 64 + " x", "two lines have the same name"),
        ("a " + "0" * 64 + " x\nb " + "0" * 64 + " x", "two lines have the same name"),
    ],
)
def test_a_broken_file_stops_the_start(tmp_path: Path, text: str, said: str) -> None:
    """The variable, the file, the line and the right form are named."""
    path = tmp_path / "keys"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        ApiKeys(path)
    assert str(caught.value).startswith(f"FORGE_KEYS_FILE: {path}: ")
    assert said in str(caught.value)


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    """No file is not the same as no keys."""
    with pytest.raises(SettingsError, match="No such file"):
        ApiKeys(tmp_path / "none")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def replace(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


def test_a_changed_file_is_read_again(key_ring: KeyRing, caplog: pytest.LogCaptureFixture) -> None:
    """New keys count and removed ones do not, within a second; a broken file changes nothing."""
    caplog.set_level(logging.INFO)
    clock = Clock()
    keys = ApiKeys(key_ring.path, clock)
    bob, line = new_key("bob", ["bob"])
    replace(key_ring.path, line)
    assert keys.find(bob) is None
    assert keys.find(key_ring.ada) is not None
    clock.now += 1.1
    assert keys.find(bob) is not None
    assert keys.find(key_ring.ada) is None

    for broken in ("nonsense", "nonsense"):
        replace(key_ring.path, broken)
        clock.now += 1.1
        assert keys.find(bob) is not None
    clock.now += 1.1
    assert keys.find(bob) is not None
    key_ring.path.unlink()
    for _ in range(3):
        clock.now += 1.1
        assert keys.find(bob) is not None
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 3

    eve, line = new_key("eve", ["eve"])
    replace(key_ring.path, line)
    clock.now += 1.1
    assert keys.find(eve) is not None
    assert keys.find(bob) is None


def test_keys_are_in_no_repr(key_ring: KeyRing) -> None:
    """Neither keys nor hashes appear where objects are printed."""
    entries = parse(key_ring.path.read_text())
    assert hashlib.sha256(key_ring.ada.encode()).hexdigest() not in repr(entries)
