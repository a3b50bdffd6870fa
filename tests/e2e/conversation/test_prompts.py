"""Permissions and questions, from the CLI to the user and back."""

from pathlib import Path
from typing import Any

from tests.e2e.conversation.talk import Talk, kinds
from tests.peers.gateway import Client, House
from tests.peers.stub_model import Call, Say, StubModel


def touch(path: Path | str) -> Call:
    return Call("bash", {"command": f"touch {path}", "description": "touch"})


def workspace(place: House, talk: Talk) -> Path:
    return place.state / "agents" / talk.agent / "workspace"


async def test_a_permission_is_asked_and_given(place: House, talk: Talk, model: StubModel) -> None:
    """The event announces the prompt, the list has it, one answer lets the tool run.

    Another answer is a conflict, one to nothing is not found, one after the turn is gone.
    """
    model.script(touch("here"), Say("Done."))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    assert (prompt["kind"], prompt["tool"], prompt["request_id"]) == ("permission", "bash", turn)
    assert prompt["options"] == ["once", "always", "reject"]
    path = f"prompts/{prompt['prompt_id']}"
    assert not (workspace(place, talk) / "here").exists()
    answer = await talk.post(path, decision="once", request_id="yes-1")
    assert (answer.status_code, answer.json()["status"]) == (202, "answered")
    again = await talk.post(path, decision="once", request_id="yes-1")
    assert again.headers["idempotent-replayed"] == "true"
    assert (await talk.post(path, decision="reject")).status_code == 409
    assert (await talk.post("prompts/per_nope", decision="once")).status_code == 404
    payloads = await talk.whole(turn)
    assert payloads[-1]["outcome"] == "completed"
    assert (workspace(place, talk) / "here").exists()
    (asked,) = kinds(payloads, "permission.asked")
    (answered,) = kinds(payloads, "permission.answered")
    assert asked["prompt_id"] == answered["prompt_id"] == prompt["prompt_id"]
    assert answered["decision"] == "once"
    assert (await talk.get("prompts")).json() == {"prompts": [], "total": 0}


async def test_always_covers_what_is_like_it(place: House, talk: Talk, model: StubModel) -> None:
    """The CLI does not ask for the same again; a rejection's words reach the model."""
    model.script(touch("a"), touch("a"), Say("Done."))
    turn = await talk.send("touch it twice")
    (prompt,) = await talk.asked()
    await talk.post(f"prompts/{prompt['prompt_id']}", decision="always")
    assert len(kinds(await talk.whole(turn), "permission.asked")) == 1
    model.script(Call("webfetch", {"url": "http://127.0.0.1:9/", "format": "text"}), Say("Well."))
    turn = await talk.send("fetch it")
    (prompt,) = await talk.asked()
    path = f"prompts/{prompt['prompt_id']}"
    await talk.post(path, decision="reject", message="Only after lunch.")
    await talk.whole(turn)
    assert "Only after lunch." in str(model.requests[-1]["messages"])


async def test_a_question_is_answered(talk: Talk, model: StubModel) -> None:
    """Options as the CLI offers them, the choice as the model sees it."""
    options = [{"label": "A", "description": "a"}, {"label": "B", "description": "b"}]
    question = {"question": "Which?", "header": "Pick", "options": options}
    model.script(Call("question", {"questions": [question]}), Say("Done."))
    turn = await talk.send("ask me")
    (prompt,) = await talk.asked()
    (shown,) = prompt["questions"]
    assert (shown["question"], shown["options"]) == ("Which?", options)
    path = f"prompts/{prompt['prompt_id']}"
    assert (await talk.post(path, decision="once")).status_code == 400
    assert (await talk.post(path, answers=[["B"]])).status_code == 202
    payloads = await talk.whole(turn)
    assert kinds(payloads, "question.answered")[0]["answers"] == [["B"]]
    told = model.requests[-1]["messages"][-1]
    assert "B" in str(told["content"])


async def test_policies_decide(client: Client, place: House, model: StubModel) -> None:
    """The agent's policy denies, a message's allows; nobody is asked."""
    policy = {"rules": [{"tool": "bash", "action": "deny"}]}
    talk = Talk(client, await client.create(backend="opencode", policy=policy))
    model.script(touch("a"), Say("Well."))
    payloads = await talk.say("touch it")
    assert not (workspace(place, talk) / "a").exists()
    assert "policy" in str(model.requests[-1]["messages"])
    (asked,) = kinds(payloads, "permission.asked")
    late = await talk.post(f"prompts/{asked['prompt_id']}", decision="once")
    assert (late.status_code, late.json()["error"]) == (409, "conflict")
    model.script(touch("a"), Say("Done."))
    await talk.say("touch it", policy={"rules": [{"tool": "*", "action": "allow"}]})
    assert (workspace(place, talk) / "a").exists()


async def test_a_policy_is_changed(place: House, talk: Talk, model: StubModel) -> None:
    """From the next message on; shown, kept by the next runtime, taken away by an empty one."""
    policy = {"rules": [{"tool": "ba*", "action": "deny"}], "timeout_s": 60.0}
    assert (await talk.patch(policy=policy)).json()["policy"] == policy
    place.kill_runtimes()
    model.script(touch("a"), Say("Well."))
    (answered,) = kinds(await talk.say("touch it"), "permission.answered")
    assert answered["decision"] == "reject"
    assert "policy" not in (await talk.patch(policy={})).json()
    model.script(touch("a"), Say("Well."))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    await talk.post(f"prompts/{prompt['prompt_id']}", decision="once")
    await talk.whole(turn)


async def test_a_backend_that_never_asks_takes_no_policy(client: Client) -> None:
    """422 naming the capability, at creation before anything is made; nothing is ignored."""
    policy = {"rules": [{"tool": "*", "action": "deny"}]}
    asked = {"owner_id": client.user, "backend": "command", "policy": policy}
    refused = await client.http.post("/api/v1/agents", json=asked)
    assert (await client.http.get(f"/api/v1/agents?user_id={client.user}")).json()["total"] == 0
    talk = Talk(client, await client.create(backend="command"))
    answers = [refused, await talk.patch(policy=policy)]
    answers.append(await talk.post("messages", content="true", policy=policy))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]) == (422, "unsupported")
        assert "'permissions'" in answer.json()["message"]


async def test_time_runs_out(talk: Talk, model: StubModel) -> None:
    """The turn goes on with a refusal, and an answer is too late."""
    model.script(touch("a"), Say("Well."))
    payloads = await talk.say("touch it", policy={"timeout_s": 0.3})
    assert payloads[-1]["outcome"] == "completed"
    assert "Nobody answered in time" in str(model.requests[-1]["messages"])
    (asked,) = kinds(payloads, "permission.asked")
    late = await talk.post(f"prompts/{asked['prompt_id']}", decision="once")
    assert (late.status_code, late.json()["error"]) == (410, "gone")


async def test_an_interrupt_settles_what_is_open(
    place: House, talk: Talk, model: StubModel
) -> None:
    """Nothing is granted, nothing stays open, and the next turn works."""
    model.script(touch("a"))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    await talk.post("interrupt")
    assert (await talk.whole(turn))[-1]["outcome"] == "interrupted"
    assert (await talk.get("prompts")).json()["total"] == 0
    late = await talk.post(f"prompts/{prompt['prompt_id']}", decision="once")
    assert late.status_code == 410
    model.script(Say("Here."))
    assert (await talk.say("still there?"))[-1]["outcome"] == "completed"
    assert not (workspace(place, talk) / "a").exists()


async def test_a_prompt_outlives_the_gateway(place: House, talk: Talk, model: StubModel) -> None:
    """kill -9 of the gateway while the user thinks: any other one takes the answer."""
    model.script(touch("a"), Say("Done."))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    await place.gateways[0].kill()
    other = await place.gateway()
    async with other.client() as client:
        again = Talk(client, talk.agent)
        assert await again.asked() == [prompt]
        await again.post(f"prompts/{prompt['prompt_id']}", decision="once")
        assert (await again.whole(turn))[-1]["outcome"] == "completed"
    assert (workspace(place, talk) / "a").exists()


async def test_a_prompt_ends_with_its_runtime(place: House, talk: Talk, model: StubModel) -> None:
    """The CLI forgets what it asked: the turn was restarted, and a reply is late.

    The conversation goes on.
    """
    model.script(touch("a"))
    turn = await talk.send("touch it")
    (prompt,) = await talk.asked()
    place.kill_runtimes()
    final: dict[str, Any] = (await talk.whole(turn))[-1]
    assert final["error"]["code"] == "AGENT_RESTARTED"
    late = await talk.post(f"prompts/{prompt['prompt_id']}", decision="once")
    assert late.status_code == 410
    model.script(Say("Here."))
    assert (await talk.say("still there?"))[-1]["session_id"] == final["session_id"]
