"""Files from the HTTP API to the model."""

import base64
from typing import Any

from tests.e2e.conversation.talk import Talk
from tests.peers.files import PDF, PNG
from tests.peers.gateway import Client
from tests.peers.receiver import Receiver, Reply
from tests.peers.stub_model import Say, StubModel


def file(filename: str, mime_type: str, content: bytes) -> dict[str, str]:
    data = base64.b64encode(content).decode()
    return {"filename": filename, "mime_type": mime_type, "data": data}


def seen(model: StubModel) -> str:
    """All that the last call told the model, as text."""
    return str(model.requests[-1]["messages"])


async def test_files_reach_the_model(talk: Talk, receiver: Receiver, model: StubModel) -> None:
    """Image, PDF and text, given and fetched: the model gets the bytes."""
    receiver.script.append(Reply(body=PNG))
    files: list[dict[str, Any]] = [
        {"filename": "dot.png", "mime_type": "image/png", "url": receiver.url},
        file("page.pdf", "application/pdf", PDF),
        file("notes.csv", "text/csv", b"marmalade,1\n"),
    ]
    model.script(Say("Seen."))
    payloads = await talk.say("look at these", attachments=files)
    assert payloads[-1]["outcome"] == "completed"
    told = seen(model)
    assert base64.b64encode(PNG).decode() in told
    assert base64.b64encode(PDF).decode() in told
    assert "marmalade,1" in told


async def test_files_are_part_of_the_content(talk: Talk, model: StubModel) -> None:
    """The same id with the same file is a repeat, with another one a conflict."""
    model.script(Say("Seen."))
    one, other = file("a.txt", "text/plain", b"one"), file("a.txt", "text/plain", b"other")
    await talk.say("look", request_id="f1", attachments=[one])
    again = await talk.post("messages", content="look", request_id="f1", attachments=[one])
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    differs = await talk.post("messages", content="look", request_id="f1", attachments=[other])
    assert differs.status_code == 409


async def test_what_is_wrong_with_a_file_is_said(talk: Talk) -> None:
    """400 with the place and the reason, before anything is accepted."""
    for attachment, words in (
        (file("a.png", "image/png", PDF), "attachments[0]: mime_type: it is application/pdf"),
        ({"filename": "a.txt", "mime_type": "text/plain"}, "attachments[0]: data or url"),
        (
            {"filename": "a.txt", "mime_type": "text/plain", "url": "http://10.0.0.1/a"},
            "attachments[0]: url: the address 10.0.0.1 is not public",
        ),
    ):
        answer = await talk.post("messages", content="look", attachments=[attachment])
        assert answer.status_code == 400
        assert words in answer.json()["message"]


async def test_a_backend_that_takes_no_files_says_so(client: Client) -> None:
    """422 that names the capability."""
    talk = Talk(client, await client.create(backend="command"))
    text = file("a.txt", "text/plain", b"x")
    answer = await talk.post("messages", content="cat", attachments=[text])
    assert (answer.status_code, answer.json()["error"]) == (422, "unsupported")
    assert "attach.text" in answer.json()["message"]
    answer = await talk.post("messages", content="cat", policy={"on_timeout": "allow"})
    assert (answer.status_code, "permissions" in answer.json()["message"]) == (422, True)
