"""Following events: streams cut anywhere, and gateways that do not come back."""

import json
from collections.abc import AsyncIterator

import pytest

from gateway.cli import sse
from gateway.cli.api import Api
from gateway.cli.connection import Connection
from gateway.cli.errors import NoGateway, Refused, Trouble
from gateway.cli.follower import Follower
from gateway.cli.receiver import Arrival
from gateway.cli.stopwatch import Turn
from tests.gateway.cli.scripted_gateway import COMPLETED, ScriptedGateway, text


class Seen:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    def started(self, turn: Turn) -> None: ...

    def arrived(self, arrival: Arrival) -> None:
        assert arrival.event is not None
        self.seqs.append(arrival.event.seq)


def connection(url: str) -> Connection:
    return Connection.of(url=url, api_key="", user="ada")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_are_whole_however_they_are_cut(size: int) -> None:
    """Chunks end anywhere, within a line, a line break or a character."""
    payload = 'id: 1\ndata: {"a":\ndata:  "\u2603\u2028"}\n\n: nothing new\n\n'.encode()
    stream = payload + b"event: error\ndata: {}\n\n"
    decoder = sse.Decoder()
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    first, comment, error = [message for chunk in chunks for message in decoder.feed(chunk)]
    assert json.loads(first.data) == {"a": "\u2603\u2028"}
    assert (comment.event, comment.data) == ("", b"")
    assert (error.event, error.data) == ("error", b"{}")


def test_a_message_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that is no gateway cannot fill our memory."""
    monkeypatch.setattr(sse, "LIMIT_BYTES", 1000)
    decoder = sse.Decoder()
    with pytest.raises(Trouble, match="over 1000 bytes"):
        list(decoder.feed(b"data: " + b"x" * 1000))


@pytest.mark.parametrize("word", [b"[]", b"nonsense", b'{"message": 1}'])
async def test_a_broken_last_word_is_an_ordinary_error(word: bytes) -> None:
    """Whatever it says, the command ends with a sentence."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"event: error\ndata: " + word + b"\n\n"

    with pytest.raises(Refused, match="broke off"):
        _ = [data async for data in sse.events(chunks())]


async def test_every_event_is_seen_once(peer: ScriptedGateway) -> None:
    """However often the stream breaks."""
    peer.tell("req_1", [*(text(str(n)) for n in range(9)), COMPLETED])
    peer.breaks = [(1, ""), (0, ""), (3, "")]
    seen = Seen()
    async with Api(connection(peer.url)) as api:
        final = await Follower(api, "agt-1", screen=seen, turn="req_1").run()
    assert final.outcome == "completed"
    assert seen.seqs == list(range(1, 11))


async def test_patience_has_an_end() -> None:
    """A gateway that is gone for good does not keep the command for ever."""
    async with Api(connection("http://127.0.0.1:9")) as api:
        follower = Follower(api, "agt-1", screen=Seen(), turn="req_1", patience_s=0.2)
        with pytest.raises(NoGateway):
            await follower.run()
