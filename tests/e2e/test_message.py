"""A message over HTTP, 202, and every event at the receiver: real processes, `command` backend."""

import time

from tests.e2e.story import SECRET, first_seen, signed, text, turn, whole
from tests.peers.gateway import Client, GatewayProcess, House
from tests.peers.receiver import Receiver, Reply


async def test_a_message_is_answered_202_and_told_to_its_final(
    client: Client, receiver: Receiver
) -> None:
    """The main job: everything that the agent does arrives signed, in order, up to one final."""
    agent = await client.create()
    answer = await client.send(
        agent,
        "for i in 1 2 3; do echo line $i; sleep 0.05; done",
        receiver.url,
        webhook_secret=SECRET,
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body == {
        "request_id": body["request_id"],
        "agent_id": agent,
        "status": "processing",
    }
    hooks = await turn(receiver, body["request_id"])
    for hook in hooks:
        signed(hook)
        assert hook.headers["user-agent"].startswith("Forge-Platform/")
        assert hook.headers["content-type"] == "application/json"
    payloads = first_seen(hooks)
    whole(payloads)
    assert text(payloads) == "line 1\nline 2\nline 3\n"
    assert [hook.id for hook in hooks] == [
        *(f"{agent}_{payload['seq']}" for payload in payloads[:-1]),
        f"{agent}_{body['request_id']}_final",
    ]
    final = payloads[-1]
    assert (final["event_type"], final["success"], final["outcome"]) == (
        "agent.complete",
        True,
        "completed",
    )


async def test_a_receiver_that_fails_twice_gets_the_same_event_again(
    client: Client, receiver: Receiver
) -> None:
    """Same id, same bytes, then the next event: nothing is lost, nothing overtakes."""
    receiver.script.extend([Reply(status=500), Reply(status=503)])
    agent = await client.create()
    answer = await client.send(agent, "echo one; echo two", receiver.url, webhook_secret=SECRET)
    hooks = await turn(receiver, answer.json()["request_id"])
    assert len({(hook.id, hook.body) for hook in hooks[:3]}) == 1
    for hook in hooks:
        signed(hook)
    whole(first_seen(hooks))


async def test_messages_of_an_agent_run_one_after_the_other(
    client: Client, receiver: Receiver
) -> None:
    """The queue keeps its order, and each turn has its own final."""
    agent = await client.create()
    ids = []
    for number in range(3):
        answer = await client.send(agent, f"sleep 0.1; echo {number}", receiver.url)
        ids.append(answer.json()["request_id"])
    stories = [first_seen(await turn(receiver, request_id)) for request_id in ids]
    for story in stories:
        whole(story)
    assert [text(story) for story in stories] == ["0\n", "1\n", "2\n"]
    firsts = [story[0]["seq"] for story in stories]
    assert firsts == sorted(firsts)


async def test_a_repeat_does_not_run_twice(client: Client, receiver: Receiver) -> None:
    """Same id and content: 202 and Idempotent-Replayed; other content: 409."""
    agent = await client.create()
    first = await client.send(agent, "echo $RANDOM", receiver.url, request_id="once")
    again = await client.send(agent, "echo $RANDOM", receiver.url, request_id="once")
    other = await client.send(agent, "echo other", receiver.url, request_id="once")
    assert [first.status_code, again.status_code, other.status_code] == [202, 202, 409]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    whole(first_seen(await turn(receiver, "once")))


async def test_an_interrupt_ends_the_running_turn(client: Client, receiver: Receiver) -> None:
    """Its final is `interrupted` with success false; the interrupt has a final of its own."""
    agent = await client.create()
    message = await client.send(agent, "echo begun; sleep 60", receiver.url)
    await receiver.wait(1)
    answer = await client.interrupt(agent, receiver.url)
    assert (answer.status_code, answer.json()["status"]) == (202, "interrupting")
    final = first_seen(await turn(receiver, message.json()["request_id"]))[-1]
    assert (final["event_type"], final["outcome"]) == ("agent.complete", "interrupted")
    assert "success" not in final
    own = first_seen(await turn(receiver, answer.json()["request_id"]))
    assert [p["outcome"] for p in own] == ["completed"]


async def test_a_failing_command_says_so(client: Client, receiver: Receiver) -> None:
    """The exit code decides the outcome, and stderr is told as it comes."""
    agent = await client.create()
    answer = await client.send(agent, "echo broken >&2; exit 3", receiver.url)
    payloads = first_seen(await turn(receiver, answer.json()["request_id"]))
    whole(payloads)
    assert payloads[0]["kind"] == "status"
    final = payloads[-1]
    assert (final["event_type"], final["outcome"]) == ("agent.error", "failed")
    assert final["error"]["code"] == "PROMPT_ERROR"
    assert "3" in final["error"]["message"]


async def test_timeout_s_ends_a_turn(client: Client, receiver: Receiver) -> None:
    """TURN_TIMEOUT, and the next message runs."""
    agent = await client.create()
    slow = await client.send(agent, "sleep 60", receiver.url, timeout_s=0.3)
    final = first_seen(await turn(receiver, slow.json()["request_id"]))[-1]
    assert (final["outcome"], final["error"]["code"]) == ("timed_out", "TURN_TIMEOUT")
    quick = await client.send(agent, "echo hi", receiver.url)
    whole(first_seen(await turn(receiver, quick.json()["request_id"])))


async def test_delete_ends_the_turn_and_still_delivers(
    place: House, client: Client, receiver: Receiver
) -> None:
    """404 at once; running and queued turns end interrupted at the receiver; the folder goes."""
    agent = await client.create()
    running = await client.send(agent, "echo begun; sleep 60", receiver.url)
    queued = await client.send(agent, "echo never", receiver.url)
    await receiver.wait(1)
    assert (await client.delete(agent)).status_code == 204
    assert (await client.get(agent)).status_code == 404
    assert (await client.send(agent, "echo x", receiver.url)).status_code == 404
    for answer in (running, queued):
        final = first_seen(await turn(receiver, answer.json()["request_id"]))[-1]
        assert final["outcome"] == "interrupted"
    until = time.monotonic() + 15
    while (place.state / "agents" / agent).exists() and time.monotonic() < until:
        await client.http.get("/healthz")
    assert not (place.state / "agents" / agent).exists()


async def test_status_fields_with_refresh(client: Client, receiver: Receiver) -> None:
    """refresh=true adds what the agent says of itself."""
    agent = await client.create(labels={"team": "a"})
    plain = (await client.get(agent)).json()
    assert (plain["user_id"], plain["phase"], plain["ready"]) == ("ada", "Running", True)
    assert "latest_seq" not in plain
    answer = await client.send(agent, "echo hi", receiver.url)
    await turn(receiver, answer.json()["request_id"])
    live = (await client.get(agent, refresh="true")).json()
    assert (live["state"], live["latest_seq"]) == ("idle", 2)
    assert live["permission_mode"] == "acceptEdits"
    assert live["capabilities"] == ["set_model", "set_permission_mode"]


async def test_no_secret_is_logged(
    place: House, gateway: GatewayProcess, client: Client, receiver: Receiver
) -> None:
    """Neither webhook secret, nor env value, nor message content, nor tokens are in any log."""
    agent = await client.create(env={"API_TOKEN": "env-s3cret"})
    answer = await client.send(
        agent, "echo content-s3cret", receiver.url + "?k=url-s3cret", webhook_secret="hook-s3cret"
    )
    await turn(receiver, answer.json()["request_id"])
    await gateway.stop()
    assert "turn_ended" in place.logs()
    assert "s3cret" not in place.logs()


async def test_fault_24_29_webhooks_into_the_network_around_are_refused(
    client: Client, receiver: Receiver
) -> None:
    """400 in words, for what is not public and for the gateway's own address; a name that
    leads there is refused when it is resolved, and never connected to."""
    agent = await client.create()
    own = str(client.http.base_url)
    for url in ("http://10.0.0.1/", "http://169.254.169.254/latest", "http://2130706433/", own):
        answer = await client.send(agent, "echo hi", url)
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
        assert "webhook_url" in answer.json()["message"]
    answer = await client.send(agent, "echo hi", "http://10.0.0.1/")
    assert "FORGE_WEBHOOK_ALLOW_NETWORKS" in answer.json()["message"]
    assert (await client.send(agent, "echo hi", receiver.url)).status_code == 202
    await receiver.wait(1)
