"""Every error has one form, whoever makes it: we, the framework, the server or its parser."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from gateway.errors import KeyringError
from gateway.http import connection
from gateway.settings import Settings
from tests.gateway.http.conftest import WEBHOOK, Door, open_door
from tests.gateway.http.wire import exchange, post, read_answer

AGENTS = "/api/v1/agents"
LIMIT = 2048


@pytest.fixture
async def small() -> AsyncIterator[Door]:
    """Takes bodies of 2 KiB."""
    async with open_door(Settings(max_body_bytes=LIMIT)) as opened:
        yield opened


async def test_an_unknown_path_is_404(door: Door) -> None:
    """The framework's 404 has our form; a slash too many is another path."""
    for path in ("/", "/api", "/api/v1/agents/", "/api/v1/agents/a1/nothing"):
        answer = await door.http.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"] == "not_found"


async def test_a_wrong_method_is_405_and_says_which_are_right(door: Door) -> None:
    """All methods of a path are in Allow, not only the first route's."""
    answer = await door.http.patch(AGENTS)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert answer.json()["error"] == "method_not_allowed"
    answer = await door.http.request("PUT", f"{AGENTS}/a1")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    assert (await door.http.request("TRACE", "/healthz")).status_code == 405


async def test_head_and_options_are_sensible(door: Door) -> None:
    """HEAD answers like GET without the body; OPTIONS says what there is."""
    head = await door.http.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    options = await door.http.options(AGENTS)
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body is empty"),
        (b"  ", "the body is empty"),
        (b"{", "the body is no JSON"),
        (b'{"owner_id": "a",}', "the body is no JSON: trailing comma in object (byte 17)"),
        (b'{"owner_id": "a"} x', "the body is no JSON: trailing characters (byte 19)"),
        (b'{"owner_id": NaN}', "the body is no JSON: invalid character (byte 13)"),
        (b'{"owner_id": "a", "x": Infinity}', "the body is no JSON"),
        (b'{"owner_id": "\xff"}', "the body is not UTF-8"),
        (b'{"owner_id": "\xed\xa0\x80"}', "the body is not UTF-8"),
        (b'{"owner_id": "a", "x": "\xff"}', "the body is not UTF-8"),
        (b'{"owner_id": "\\ud800 alone"}', "surrogate"),
        (b'{"owner_id": "a", "owner_id": "b"}', "the key 'owner_id' twice"),
        (b'{"owner_id": "a", "x": {"y": 1, "y": 2}}', "the key 'y' twice"),
        (b'{"owner_id": 1e999}', "owner_id: "),
        (b'\xef\xbb\xbf{"owner_id": "a"}', "the body is no JSON"),
    ],
)
async def test_hostile_json_is_400(small: Door, body: bytes, said: str) -> None:
    """Whatever is wrong with a body, it is said; it is never a 500."""
    answer = await exchange(small.port, post(AGENTS, body))
    assert answer.status == 400, answer.body
    assert answer.json()["error"] == "bad_request"
    assert said in answer.json()["message"]
    assert not small.launcher.agents


async def test_deep_nesting_of_megabytes_is_400(door: Door) -> None:
    """A nesting bomb does not reach the C stack."""
    bomb = b'{"owner_id": "a", "x": ' + b"[" * 5_000_000
    answer = await door.http.post(
        AGENTS, content=bomb, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert "nested too deeply" in answer.json()["message"]


async def test_huge_numbers_in_ignored_fields_are_no_fault(door: Door) -> None:
    """Fields nobody knows are ignored, whatever number they hold."""
    body = b'{"owner_id": "a", "x": ' + b"9" * 6000 + b"}"
    answer = await exchange(door.port, post(AGENTS, body))
    assert answer.status in (201, 400)


async def test_a_large_body_is_413(small: Door) -> None:
    """The limit holds with and without Content-Length, and a body at the limit passes."""
    body = b'{"owner_id": "ada", "x": "'
    fits = body + b"x" * (LIMIT - len(body) - 2) + b'"}'
    assert (await exchange(small.port, post(AGENTS, fits))).status == 201
    answer = await exchange(small.port, post(AGENTS, fits + b" "))
    assert (answer.status, answer.json()["error"]) == (413, "payload_too_large")
    assert "2048 bytes" in answer.json()["message"]

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1000

    streamed = await small.http.post(
        AGENTS, content=chunks(), headers={"Content-Type": "application/json"}
    )
    assert streamed.status_code == 413


async def test_a_body_far_too_large_is_refused_before_it_comes(small: Door) -> None:
    """413 comes from the announcement alone."""
    head = post(AGENTS, b"", "X-Filler: 1").replace(
        b"Content-Length: 0", b"Content-Length: 9999999999"
    )
    answer = await exchange(small.port, head)
    assert answer.status == 413


async def test_large_heads_are_431(door: Door) -> None:
    """In one piece, in many, or as one endless line: 431, and the connection closes."""
    filler = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(70))
    answer = await exchange(door.port, b"GET /healthz HTTP/1.1\r\n" + filler + b"\r\n")
    assert answer.status == 431
    assert answer.json()["error"] == "request_header_fields_too_large"
    assert answer.headers["connection"] == "close"
    assert "x-request-id" in answer.headers
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(b"GET /" + b"a" * connection.HEAD_LIMIT_BYTES)
    await writer.drain()
    writer.write(b"a" * 1000)
    assert (await asyncio.wait_for(read_answer(reader), 10)).status == 431
    writer.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_answered_in_our_form(door: Door, request_: bytes) -> None:
    """The parser's refusals are JSON, too."""
    answer = await exchange(door.port, request_)
    assert 400 <= answer.status < 500
    assert set(answer.json()) == {"error", "message"}
    assert answer.headers["content-type"] == "application/json"


async def test_an_unhandled_exception_is_500_without_details(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller gets an id, the log gets the reason; the connection goes on."""
    door.launcher.failure = RuntimeError("the secret is hush-hush")
    answer = await door.http.post(
        AGENTS, json={"owner_id": "ada"}, headers={"X-Request-Id": "mine"}
    )
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_server_error")
    assert "hush" not in answer.text
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert (record.message, vars(record)["request"]) == ("request_failed", "mine")
    assert (await door.http.get("/healthz")).status_code == 200


async def test_a_missing_gateway_key_is_503_in_words(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody did anything wrong but who runs the gateway: both are told which key it is."""
    door.launcher.add("a1", "ada")
    said = "agent a1 refers to gateway key k1, which is missing"
    door.commands.failure = KeyringError(said)
    answer = await door.http.post(
        "/api/v1/agents/a1/messages?user_id=ada", json={"content": "hi", **WEBHOOK}
    )
    assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
    assert answer.json()["message"] == said
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert (record.message, vars(record)["reason"]) == ("gateway_key_unusable", said)


@pytest.mark.parametrize("sane", ["abc", "a-b_c.d:e/f", "two words", "x" * 128])
async def test_the_callers_request_id_is_echoed(door: Door, sane: str) -> None:
    """On successes and errors alike."""
    for path in ("/healthz", "/nothing"):
        answer = await door.http.get(path, headers={"X-Request-Id": sane})
        assert answer.headers["x-request-id"] == sane


@pytest.mark.parametrize("mad", [b"", b"x" * 129, b"\xe4", b"a\tb"])
async def test_a_request_id_that_is_not_sane_is_replaced(door: Door, mad: bytes) -> None:
    """What could not go into a log line is not echoed."""
    answer = await door.http.get("/healthz", headers={b"X-Request-Id": mad})
    assert len(answer.headers["x-request-id"]) == 16


async def test_a_compressed_body_is_415(door: Door) -> None:
    """Nothing is inflated."""
    answer = await door.http.post(
        AGENTS,
        content=b"\x1f\x8b",
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
    )
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")


async def test_an_upgrade_is_answered_not_waited_for(door: Door) -> None:
    """A GET that offers HTTP/2 is answered by HTTP/1.1."""
    answer = await exchange(
        door.port,
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    )
    assert answer.status == 200


async def test_a_post_that_offers_an_upgrade_keeps_its_body(door: Door) -> None:
    """Java's HttpClient offers HTTP/2 with every request; the body counts, however it comes."""
    body = b'{"owner_id": "ada"}'
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA")
    whole = post(AGENTS, body, *offer)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    for pieces in ([whole, whole], [whole[:-9], whole[-9:] + whole[:30], whole[30:]]):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        for _ in range(2):
            assert (await asyncio.wait_for(read_answer(reader), 10)).status == 201
    writer.close()
    assert len(door.launcher.agents) == 4


async def test_readiness_is_503_in_our_form_when_it_goes(door: Door) -> None:
    """/readyz tells load balancers to stay away; /healthz goes on."""
    ready = await door.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
    door.ready = False
    answer = await door.http.get("/readyz")
    assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
    assert (await door.http.get("/healthz")).json() == {"status": "ok"}


async def test_one_log_line_a_request_without_secrets(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    """Method, route, status, agent and request_id are told; queries, bodies and keys never."""
    caplog.set_level(logging.INFO, "gateway.http")
    door.launcher.add("a1", "ada")
    await door.http.post(
        "/api/v1/agents/a1/messages?user_id=ada&x=hush",
        json={"content": "hush", "webhook_secret": "hush", "request_id": "r1", **WEBHOOK},
        headers={"Authorization": "Bearer hush"},
    )
    (record,) = [r for r in caplog.records if r.name == "gateway.http"]
    fields = vars(record)
    assert (record.message, fields["method"], fields["status"]) == ("request", "POST", 202)
    assert fields["route"] == "/api/v1/agents/{agent_id}/messages"
    assert (fields["agent"], fields["request_id"]) == ("a1", "r1")
    assert fields["ms"] > 0
    assert "hush" not in repr(fields)
