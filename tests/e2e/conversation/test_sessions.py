"""Model, mode, steering, sessions and usage, with the real OpenCode."""

from tests.e2e.conversation.talk import Talk, kinds
from tests.e2e.conversation.test_prompts import touch, workspace
from tests.peers.gateway import Client, House
from tests.peers.stub_model import MODEL, Say, Stall, StubModel


async def patch(talk: Talk, **body: str) -> tuple[int, dict[str, object]]:
    answer = await talk.patch(**body)
    return answer.status_code, answer.json()


def told(model: StubModel) -> str:
    return str(model.requests[-1]["messages"])


async def test_model_and_mode_hold_from_the_next_message(
    place: House, talk: Talk, model: StubModel
) -> None:
    """Shown at once; a model that is not listed is refused, with those that are."""
    status, agent = await patch(talk, model=MODEL, permission_mode="bypassPermissions")
    assert (status, agent["current_model"]) == (200, MODEL)
    assert agent["permission_mode"] == "bypassPermissions"
    model.script(touch("a"), Say("Done."))
    assert kinds(await talk.say("touch it"), "permission.answered")[0]["decision"] == "once"
    assert (workspace(place, talk) / "a").exists()
    status, problem = await patch(talk, model="stub/nope")
    assert status == 400
    assert MODEL in str(problem["message"])
    assert (await patch(talk, model="nope"))[0] == 400
    assert (await talk.client.get(talk.agent, refresh="true")).json()["current_model"] == MODEL


async def test_a_model_that_is_not_there_fails_the_turn_in_words(
    client: Client, model: StubModel
) -> None:
    """Before the CLI has run nobody knows its models; the final names them."""
    talk = Talk(client, await client.create(backend="opencode", model="stub/nope"))
    final = (await talk.say("hello"))[-1]
    assert final["error"]["code"] == "PROMPT_ERROR"
    assert MODEL in final["error"]["message"]


async def test_a_message_now_takes_the_running_turns_place(talk: Talk, model: StubModel) -> None:
    """OpenCode cannot be steered: the running turn is interrupted, the new one is next."""
    model.script(Stall("Hmm"))
    first = await talk.send("think")
    await talk.until_said(first, "Hmm")
    waiting = await talk.send("and then this")
    model.script(Say("At once."), Say("Later."))
    now = await talk.whole(await talk.send("no, this", when="now"))
    assert now[-1]["outcome"] == "completed"
    assert (await talk.whole(first))[-1]["outcome"] == "interrupted"
    later = await talk.whole(waiting)
    assert later[0]["seq"] > now[-1]["seq"]


async def test_a_fresh_session_remembers_nothing_a_fork_everything(
    talk: Talk, model: StubModel
) -> None:
    """In the same workspace; session ids are in the events, the totals go on."""
    model.script(Say("Noted."))
    first = await talk.say("remember the word MARMALADE")
    forked = await talk.whole((await talk.post("fork")).json()["request_id"])
    assert forked[-1]["session_id"] not in ("", first[-1]["session_id"])
    model.script(Say("It was."))
    second = await talk.say("which word?")
    assert second[-1]["session_id"] == forked[-1]["session_id"]
    assert "MARMALADE" in told(model)
    fresh = await talk.whole((await talk.post("sessions")).json()["request_id"])
    model.script(Say("No idea."))
    third = await talk.say("which word was it?")
    assert third[-1]["session_id"] == fresh[-1]["session_id"]
    assert "MARMALADE" not in told(model)
    usage = (await talk.client.get(talk.agent, refresh="true")).json()["usage"]
    turns = [payloads[-1]["usage"] for payloads in (first, second, third)]
    assert usage["input_tokens"] == sum(turn["input_tokens"] for turn in turns) > 0
    assert usage["cost_usd"] > 0


async def test_a_backend_without_sessions_says_so(client: Client) -> None:
    """422 that names the capability; model and mode it has."""
    talk = Talk(client, await client.create(backend="command"))
    for path, capability in (("sessions", "new_session"), ("fork", "fork")):
        answer = await talk.post(path)
        assert (answer.status_code, capability in answer.json()["message"]) == (422, True)
    status, agent = await patch(talk, model="mine", permission_mode="default")
    assert (status, agent["current_model"], agent["permission_mode"]) == (200, "mine", "default")
    said = await talk.say("echo $AGENT_MODEL $PERMISSION_MODE")
    assert said[0]["data"]["text"] == "mine default\n"
