"""The files of a message on their way into Submit."""

import pytest

from gateway.errors import BadRequest
from gateway.model import File
from tests.gateway.relay.house import House, house
from tests.gateway.relay.test_accept import known
from tests.peers.files import PDF, PNG
from tests.peers.receiver import Reply

TEXT = File(filename="a.txt", mime_type="text/plain", data=b"hello")


async def send(home: House, *files: File) -> None:
    await home.accept.message(known(home), "r1", "look", files=files, target=None)


async def test_files_travel_with_their_message() -> None:
    """Given or fetched, in order, as they are."""
    async with house() as home:
        home.receiver.script.append(Reply(body=PNG))
        image = File(filename="b.png", mime_type="image/png", url=home.receiver.url)
        await send(home, TEXT, image)
        sent = home.agent.submits[0].request.send_message.attachments
    assert [(one.filename, one.mime_type, one.data) for one in sent] == [
        ("a.txt", "text/plain", b"hello"),
        ("b.png", "image/png", PNG),
    ]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([TEXT] * 4, "attachments: at most 3, which FORGE_MAX_ATTACHMENTS sets"),
        (
            [TEXT, File(filename="b", mime_type="text/plain", data=b"x" * 996)],
            r"attachments\[1\]: data: .* 1000 bytes, which FORGE_MAX_ATTACHMENT_BYTES",
        ),
        (
            [TEXT, File(filename="b", mime_type="image/png", data=PDF)],
            r"attachments\[1\]: mime_type: it is application/pdf, not image/png",
        ),
    ],
)
async def test_what_is_refused_is_named(files: list[File], why: str) -> None:
    """Before anything reaches the agent."""
    async with house() as home:
        with pytest.raises(BadRequest, match=why):
            await send(home, *files)
        assert home.agent.submits == []


async def test_a_download_may_take_what_is_left_of_the_bytes() -> None:
    """The limit is one for all files, wherever they come from."""
    async with house() as home:
        home.receiver.script.append(Reply(body=b"x" * 996))
        fetched = File(filename="b", mime_type="text/plain", url=home.receiver.url)
        with pytest.raises(BadRequest, match=r"attachments\[1\]: url: .* 995 bytes"):
            await send(home, TEXT, fetched)
