"""Gateway keys rotated under gateways that run."""

import asyncio
import os

from gateway.keyring import Keyring
from gateway.keyring.file import LOOK_EVERY_S
from tests.e2e.story import SECRET, first_seen, signed, turn, whole
from tests.gateway.cli.command import Outcome, forge
from tests.peers.gateway import Client, House
from tests.peers.receiver import Receiver


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
