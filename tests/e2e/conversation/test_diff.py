"""What a turn has changed, with an agent that edits files by its own tools."""

from tests.e2e.conversation.talk import Talk
from tests.e2e.conversation.test_prompts import workspace
from tests.peers.gateway import House
from tests.peers.stub_model import Call, Say, StubModel


async def test_a_turns_edits_are_told(place: House, talk: Talk, model: StubModel) -> None:
    """Those of its CLI's tools, and nothing that the CLI keeps for itself; of each turn its own."""
    path = str(workspace(place, talk) / "poem.txt")
    model.script(Call("write", {"filePath": path, "content": "roses\nviolets\n"}), Say("Done."))
    payloads = await talk.say("write a poem")
    first = (await talk.get("diff", request_id=payloads[0]["request_id"])).json()
    assert [(f["path"], f["status"]) for f in first["files"]] == [("poem.txt", "added")]
    assert first["turns"] == [payloads[0]["request_id"]]
    edit = {"filePath": path, "oldString": "roses", "newString": "tulips"}
    model.script(Call("read", {"filePath": path}), Call("edit", edit), Say("Done."))
    payloads = await talk.say("other flowers")
    second = (await talk.get("diff", request_id=payloads[0]["request_id"])).json()
    assert "-roses\n+tulips\n violets\n" in second["diff"]
    assert second["since"] >= first["until"]
    whole = (await talk.get("diff")).json()
    assert "+tulips\n+violets\n" in whole["diff"]
    assert "roses" not in whole["diff"]
