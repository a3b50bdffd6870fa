"""Gateway keys rotated under gateways that run."""

import asyncio
import os
from typing import Any

from gateway.keyring import Keyring
from gateway.keyring.file import LOOK_EVERY_S
from tests.e2e.story import SECRET, first_seen, signed, turn, whole
from tests.gateway.cli.command import Outcome, forge
from tests.peers.gateway import Client, House
from tests.peers.receiver import Receiver, Reply


async def rotate(place: House, *step: str) -> Outcome:
    return await forge("keys", "rotate", *step, env=place.env())


async def delivered(client: Client, receiver: Receiver, agent: str) -> None:
    """A turn of that agent arrives whole and signed."""
    answer = await client.send(agent, "echo hello", receiver.url, webhook_secret=SECRET)
    hooks = await turn(receiver, answer.json()["request_id"])
    whole(first_seen(hooks))
    for hook in hooks:
        signed(hook)


def is_settled(place: House) -> None:
    """As if the last change were a while ago."""
    os.utime(place.state / "gateway-keys", (1, 1))


async def test_rotation_needs_no_restart(place: House, receiver: Receiver) -> None:
    """Old agents go on under their key, new ones get the new one, on every gateway; a key that
    is current or has agents stays."""
    one, two = await place.gateway(), await place.gateway()
    async with one.client() as first, two.client() as second:
        before = await first.create()
        added = await rotate(place)
        assert added.status == 0, added.err
        (old, new) = (line.split()[0] for line in added.out.splitlines())
        assert added.out == f"{old}  current\n{new}  opens\n"
        assert added.err == f"next: forge keys rotate --use {new}\n"
        used = await rotate(place, "--use", new)
        assert used.out == f"{new}  current\n{old}  opens\n"
        await asyncio.sleep(LOOK_EVERY_S)  # which is what is promised
        after = await second.create()
        for client in (first, second):
            for agent in (before, after):
                await delivered(client, receiver, agent)
        is_settled(place)
        current = await rotate(place, "--remove", new)
        assert (current.status, current.out) == (1, "")
        assert f"{new} is the current key" in current.err
        needed = await rotate(place, "--remove", old)
        assert needed.status == 1
        assert f"1 agents were made under {old} and need it: {before}" in needed.err
        await delivered(first, receiver, before)


async def test_a_key_nobody_needs_can_be_removed(place: House) -> None:
    """Not right after a change, which a gateway may not have seen; an unknown one is named."""
    Keyring.load(place.state)
    added = await rotate(place)
    old, new = (line.split()[0] for line in added.out.splitlines())
    assert (await rotate(place, "--use", new)).status == 0
    early = await rotate(place, "--remove", old)
    assert early.status == 1
    assert "just been changed" in early.err
    is_settled(place)
    removed = await rotate(place, "--remove", old)
    assert (removed.status, removed.out) == (0, f"{new}  current\n")
    assert (place.state / "gateway-keys").stat().st_mode & 0o777 == 0o600
    unknown = await rotate(place, "--use", old)
    assert unknown.status == 1
    assert f"there is no gateway key {old}; there are {new}" in unknown.err
    assert (await rotate(place, "--use", old, "--remove", new)).status == 2


async def test_a_turn_that_no_key_opens_waits_and_is_seen(place: House, receiver: Receiver) -> None:
    """Sealed with a key that was taken out: nothing is posted, the turn says what it waits for,
    and goes on under the new key once it is given its receiver again."""
    gateway = await place.gateway()
    added = await rotate(place)
    old, new = (line.split()[0] for line in added.out.splitlines())
    await use(place, new)
    async with gateway.client() as client:
        agent = await client.create()
        await use(place, old)
        receiver.default = lambda _: Reply(status=503, headers={"Retry-After": "2"})
        sent = await client.send(agent, "echo a", receiver.url, request_id="r-1")
        assert sent.status_code == 202
        await until(client, agent, "delivery", "parked")
        await use(place, new)
        is_settled(place)
        assert (await rotate(place, "--remove", old)).status == 0
        waiting = await until(client, agent, "last_error", "key")
        assert waiting["delivery"] == "parked"
        posted = len(receiver.hooks)  # it may have become due before the key was gone
        receiver.default = lambda _: Reply()
        target = {"webhook_url": receiver.url, "webhook_secret": SECRET}
        again = await client.http.post(
            f"/api/v1/agents/{agent}/turns/r-1/redeliver", params={"user_id": "ada"}, json=target
        )
        assert again.status_code == 202
        hooks = (await turn(receiver, "r-1"))[posted:]
    whole(first_seen(hooks))
    for hook in hooks:
        signed(hook)


async def use(place: House, key: str) -> None:
    """From now on, on every gateway."""
    assert (await rotate(place, "--use", key)).status == 0
    await asyncio.sleep(LOOK_EVERY_S)  # which is what is promised


async def until(client: Client, agent: str, field: str, words: str) -> dict[str, Any]:
    """The turn, once its field has these words."""
    url = f"/api/v1/agents/{agent}/turns/r-1"
    async with asyncio.timeout(20):
        while True:
            told = (await client.http.get(url, params={"user_id": "ada"})).json()
            if words in told.get(field, ""):
                return dict(told)
            await asyncio.sleep(0.02)


async def test_a_folder_without_gateways_is_not_rotated(place: House) -> None:
    """Whoever forgot FORGE_STATE_DIR is told, instead of new keys that nobody uses."""
    ended = await rotate(place)
    assert (ended.status, ended.out) == (1, "")
    assert f"no gateway keys in {place.state}" in ended.err
    assert "FORGE_STATE_DIR" in ended.err
    assert not place.state.exists()


async def test_no_secret_is_shown(place: House) -> None:
    """What a step prints and what gateways log of it are ids."""
    gateway = await place.gateway()
    added = await rotate(place)
    async with gateway.client() as client:
        await client.create()
    secrets = [
        line.split(":")[1] for line in (place.state / "gateway-keys").read_text().splitlines()
    ]
    assert len(secrets) == 2
    for text in (added.out, added.err, place.logs()):
        assert not [secret for secret in secrets if secret in text]
