"""forge events, turns and redeliver: what is read back and how it is shown."""

import json

import pytest

from tests.gateway.cli.command import CTRL_C, forge, terminal
from tests.gateway.cli.scripted_gateway import COMPLETED, PARKED, ScriptedGateway, text


def env_of(peer: ScriptedGateway) -> dict[str, str]:
    return {"FORGE_URL": peer.url, "FORGE_USER": "ada"}


async def test_events_are_read_page_by_page(peer: ScriptedGateway) -> None:
    """All of them, once each, in order: a line an event."""
    peer.tell("req_1", [text("one"), text("two"), text("three\x1b[1m"), COMPLETED])
    ended = await forge("events", "agt-1", env=env_of(peer))
    assert (ended.status, ended.err) == (0, "")
    rows = [line.split() for line in ended.out.splitlines()]
    assert [row[0] for row in rows] == ["1", "2", "3", "4"]
    assert rows[0][1:] == ["req_1", "text.delta", "one"]
    assert rows[3][1:] == ["req_1", "final", "completed"]
    assert "\x1b" not in ended.out
    assert len(peer.calls) == 2


async def test_a_part_of_them(peer: ScriptedGateway) -> None:
    """--after and --turn say which; --json prints the payloads as they are."""
    peer.tell("req_1", [text("one"), COMPLETED])
    peer.tell("req_2", [text("two"), text("three"), COMPLETED])
    which = ("--after", "3", "--turn", "req_2")
    ended = await forge("events", "agt-1", *which, "--json", env=env_of(peer))
    assert [json.loads(line)["seq"] for line in ended.out.splitlines()] == [4, 5]
    query = peer.calls[0][1].partition("?")[2].split("&")
    assert {"request_id=req_2", "after_seq=3", "user_id=ada"} <= set(query)


async def test_follow_goes_on_until_the_turns_final(peer: ScriptedGateway) -> None:
    """What comes is shown when it comes, also after the stream broke off."""
    peer.tell("req_1", [text("one")])
    peer.breaks = [(1, "")]
    follow = ("events", "agt-1", "--follow", "--turn", "req_1")
    async with terminal(*follow, env=env_of(peer)) as shown:
        await shown.until("one")
        peer.tell("req_1", [text("two"), COMPLETED])
        await shown.until("reconnecting")
        assert await shown.ended() == 0
        await shown.until("completed")
    assert shown.shown.count("text.delta") == 2


async def test_ctrl_c_ends_following(peer: ScriptedGateway) -> None:
    """Without a traceback."""
    peer.tell("req_1", [text("one")])
    follow = ("events", "agt-1", "--follow", "--turn", "req_1")
    async with terminal(*follow, env=env_of(peer)) as shown:
        await shown.until("one")
        shown.press(CTRL_C)
        await shown.ended()
    assert "Traceback" not in shown.shown


@pytest.mark.parametrize("follow", [(), ("--follow",)])
async def test_an_unknown_agent_is_said_at_once(
    peer: ScriptedGateway, follow: tuple[str, ...]
) -> None:
    """What is wrong from the beginning is no break to wait out."""
    refusal = {"error": "not_found", "message": "there is no agent agt-2"}
    peer.refusals = {"/agt-2": (404, refusal, {}), "/agt-2/events": (404, refusal, {})}
    ended = await forge("events", "agt-2", *follow, env=env_of(peer))
    assert (ended.status, ended.err) == (1, "Error: there is no agent agt-2\n")


async def test_turns_in_columns(peer: ScriptedGateway) -> None:
    """One row a turn, those of all pages; a named one with all that is known of it."""
    listed = await forge("turns", "agt-1", env=env_of(peer))
    header, older, row = listed.out.splitlines()
    assert older.split()[0] == "req_0"
    assert "[2, 5]" in older
    assert header.split()[:4] == ["REQUEST_ID", "STATE", "OUTCOME", "DELIVERY"]
    assert row.split()[:4] == ["req_1", "ended", "completed", "parked"]
    shown = await forge("turns", "agt-1", "req_1", env=env_of(peer))
    assert ["last_error", "HTTP", "503"] in [line.split() for line in shown.out.splitlines()]
    as_json = await forge("turns", "agt-1", "req_1", "--json", env=env_of(peer))
    assert json.loads(as_json.out) == PARKED


async def test_redeliver_says_from_where_and_where_to(peer: ScriptedGateway) -> None:
    """What is not given stays as it was; a secret of the environment goes with a URL only."""
    env = env_of(peer) | {"FORGE_WEBHOOK_SECRET": "s2"}
    plain = await forge("redeliver", "agt-1", "req_1", env=env)
    assert (plain.status, plain.out) == (0, "req_1 is delivered again (generation 2)\n")
    options = ("--from", "3", "--webhook", "http://127.0.0.1:9/new")
    await forge("redeliver", "agt-1", "req_1", *options, env=env)
    target = {"webhook_url": "http://127.0.0.1:9/new", "webhook_secret": "s2"}
    assert peer.bodies("POST", "/redeliver") == [{}, {"from_seq": 3, **target}]


async def test_nothing_to_redeliver_is_said(peer: ScriptedGateway) -> None:
    """Instead of a promise after which nothing comes; --from delivers again all the same."""
    peer.refusals = {"/turns/req_1": (200, {**PARKED, "delivery": "delivered"}, {})}
    nothing = await forge("redeliver", "agt-1", "req_1", env=env_of(peer))
    assert (nothing.status, nothing.out) == (1, "")
    assert "--from 1 delivers all of them again" in nothing.err
    again = await forge("redeliver", "agt-1", "req_1", "--from", "1", env=env_of(peer))
    assert again.status == 0
    assert peer.bodies("POST", "/redeliver") == [{"from_seq": 1}]


async def test_redeliver_with_another_secret_alone(peer: ScriptedGateway) -> None:
    """How a receiver's secret is rotated; not every process of the machine must see it."""
    turn = ("redeliver", "agt-1", "req_1", "--secret")
    given = await forge(*turn, "s2", env=env_of(peer))
    told = await forge(*turn, "-", env=env_of(peer), stdin=b"s3\n")
    assert (given.status, told.status) == (0, 0)
    secrets = [{"webhook_secret": "s2"}, {"webhook_secret": "s3"}]
    assert peer.bodies("POST", "/redeliver") == secrets
