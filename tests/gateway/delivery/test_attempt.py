"""One attempt against a real receiver: what goes over the wire, and what the answer means."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import socket
import time
from email.utils import formatdate

import pytest
from standardwebhooks import Webhook

from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Bypass
from gateway.delivery.payload import Post
from gateway.model import Target
from tests.gateway.delivery.conftest import Posting
from tests.peers.dns import Answer as Resolved
from tests.peers.dns import name_server
from tests.peers.receiver import Receiver, Reply

POST = Post("agent_1", b'{"hello":"world"}')
SECRET = "whsec_" + base64.b64encode(b"k" * 24).decode()
UNRESOLVED = Answer(Verdict.RETRY, error="the host's name could not be resolved")


async def attempt(poster: Poster, url: str, *, secret: str = SECRET, post: Post = POST) -> Answer:
    target = Target(webhook_url=url, webhook_secret=secret)
    return await poster.attempt(poster.destination(target), post)


async def test_fault_23_the_bytes_that_were_signed_are_sent(
    receiver: Receiver, posting: Posting
) -> None:
    """Both kinds of receivers verify the body exactly as it arrives."""
    async with posting() as poster:
        answer = await attempt(poster, receiver.url)
    assert answer == Answer(Verdict.DELIVERED, 200)
    [hook] = receiver.hooks
    assert (hook.method, hook.path, hook.body) == ("POST", "/hook", POST.body)
    Webhook(SECRET).verify(hook.body, dict(hook.headers))
    signed = hook.headers["x-forge-timestamp"].encode() + b"." + hook.body
    older = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert hook.headers["x-forge-signature"] == f"sha256={older}"
    assert hook.headers["webhook-id"] == "agent_1"
    assert hook.headers["content-type"] == "application/json"
    assert hook.headers["user-agent"].startswith("Forge-Platform/")


async def test_fault_20_no_secret_no_signature(receiver: Receiver, posting: Posting) -> None:
    """Without a secret the id and the time are still there."""
    async with posting() as poster:
        await attempt(poster, receiver.url, secret="")
    names = set(receiver.hooks[0].headers)
    assert {"webhook-id", "webhook-timestamp"} <= names
    assert not names & {"webhook-signature", "x-forge-signature", "x-forge-timestamp"}


async def test_fault_02_redirects_are_not_followed(receiver: Receiver, posting: Posting) -> None:
    """A receiver cannot send the gateway somewhere else."""
    async with posting() as poster:
        for status in (301, 302, 307, 308):
            elsewhere = {"Location": f"http://127.0.0.1:{receiver.port}/else"}
            receiver.script.append(Reply(status=status, headers=elsewhere))
            answer = await attempt(poster, receiver.url)
            assert (answer.verdict, answer.status) == (Verdict.RETRY, status)
    assert [hook.path for hook in receiver.hooks] == ["/hook"] * 4


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.DELIVERED, (200, 201, 202, 204, 299)),
        (Verdict.GONE, (410,)),
        (Verdict.REJECTED, (400, 401, 402, 403, 405, 406, 413, 415, 422, 431, 451)),
        (Verdict.RETRY, (300, 304, 404, 408, 409, 425, 429, 500, 502, 503, 504, 599)),
    ],
)
async def test_fault_03_07_08_09_what_each_status_means(
    receiver: Receiver, posting: Posting, verdict: Verdict, statuses: tuple[int, ...]
) -> None:
    """Only 2xx delivers; 410 ends the turn; what can never work is not tried for a day."""
    async with posting() as poster:
        for status in statuses:
            receiver.script.append(Reply(status=status))
            answer = await attempt(poster, receiver.url)
            assert (answer.verdict, answer.status) == (verdict, status)


@pytest.mark.parametrize(
    ("header", "at_least", "at_most"),
    [
        ("0", 0, 0),
        ("7", 7, 7),
        ("86400", 3600, 3600),
        ("9" * 400, 3600, 3600),
        ("-5", 0, 0),
        ("soon", 0, 0),
        ("1e20", 0, 0),
        ("1.5", 0, 0),
        ("nan", 0, 0),
        ("²", 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600),
        ("Mon, 00 Foo 0000 99:99:99 GMT", 0, 0),
        ("", 0, 0),
    ],
)
async def test_fault_04_05_retry_after(
    receiver: Receiver, posting: Posting, header: str, at_least: float, at_most: float
) -> None:
    """Seconds or a date, at most an hour; nonsense and the past are ignored."""
    encoded = header.encode().decode("latin-1")
    receiver.default = lambda _: Reply(status=429, headers={"Retry-After": encoded})
    async with posting() as poster:
        answer = await attempt(poster, receiver.url)
    assert answer.verdict is Verdict.RETRY
    assert at_least <= answer.retry_after_s <= at_most


@pytest.mark.parametrize(
    ("ahead_s", "at_least", "at_most"), [(600, 500, 601), (86400, 3600, 3600), (-600, 0, 0)]
)
async def test_fault_04_05_retry_after_as_a_date(
    receiver: Receiver, posting: Posting, ahead_s: float, at_least: float, at_most: float
) -> None:
    """A date is a floor as well, at most an hour; one that has passed is none."""
    date = formatdate(time.time() + ahead_s, usegmt=True)
    receiver.default = lambda _: Reply(status=503, headers={"Retry-After": date})
    async with posting() as poster:
        answer = await attempt(poster, receiver.url)
    assert at_least <= answer.retry_after_s <= at_most


async def test_fault_10_a_refused_connection_is_retried(posting: Posting) -> None:
    """A receiver that is down now may be up later."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        async with posting() as poster:
            answer = await attempt(poster, f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert (answer.verdict, answer.status) == (Verdict.RETRY, 0)
    assert "connect" in answer.error


async def test_fault_10_a_name_that_does_not_exist_is_retried(
    receiver: Receiver, posting: Posting
) -> None:
    """Names come and go; only time ends the retries."""
    names: dict[str, Resolved] = {"late.example": "nxdomain"}
    async with name_server(names) as port, posting(name_server=port) as poster:
        url = f"http://late.example:{receiver.port}/"
        assert await attempt(poster, url) == UNRESOLVED
        names["late.example"] = ["127.0.0.1"]
        assert (await attempt(poster, url)).verdict is Verdict.DELIVERED


async def test_fault_11_our_own_resolver_down_closes_no_host(
    receiver: Receiver, posting: Posting
) -> None:
    """Nobody's failures, however many: once names resolve again, the host is served at once."""
    names: dict[str, Resolved] = {"known.example": "hang"}
    async with name_server(names) as port, posting(name_server=port, timeout_s=0.4) as poster:
        url = f"http://known.example:{receiver.port}/"
        assert [await attempt(poster, url) for _ in range(7)] == [UNRESOLVED] * 7
        names["known.example"] = ["127.0.0.1"]
        assert (await attempt(poster, url)).verdict is Verdict.DELIVERED
    async with posting(name_server=1, timeout_s=0.4) as poster:  # refuses
        assert [await attempt(poster, url) for _ in range(7)] == [UNRESOLVED] * 7


async def test_fault_18_a_failing_host_is_left_alone(receiver: Receiver, posting: Posting) -> None:
    """After so many failures in a row nothing is posted, and how long that lasts is told. An
    answer below 500 is a living host's: it never counts."""
    async with posting(circuit_failures=3, circuit_wait_s=60) as poster:
        for status in (500, 503, 404, 429, 308, 599, 500):
            receiver.script.append(Reply(status=status))
            assert (await attempt(poster, receiver.url)).verdict is Verdict.RETRY
        receiver.default = lambda _: Reply(close=True)
        assert (await attempt(poster, receiver.url)).verdict is Verdict.RETRY
        posted = len(receiver.hooks)
        held = await attempt(poster, receiver.url)
        assert held.verdict is Verdict.HELD
        assert 59 < held.retry_after_s <= 75
        assert len(receiver.hooks) == posted
        async with Receiver() as other:
            assert (await attempt(poster, other.url)).verdict is Verdict.DELIVERED


async def test_fault_18_the_probe_closes_the_circuit(receiver: Receiver, posting: Posting) -> None:
    """A cancelled probe is none; one that is answered lets everybody through again."""
    async with posting(circuit_failures=1, circuit_wait_s=0.05) as poster:
        receiver.script.extend([Reply(status=500), Reply(hang=True)])
        await attempt(poster, receiver.url)
        held = await attempt(poster, receiver.url)
        assert held.verdict is Verdict.HELD
        await asyncio.sleep(held.retry_after_s)
        probe = asyncio.create_task(attempt(poster, receiver.url))
        await receiver.wait(2)
        assert (await attempt(poster, receiver.url)).verdict is Verdict.HELD
        probe.cancel()
        await asyncio.wait({probe})
        for _ in range(3):
            assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED


async def test_fault_30_a_resolver_that_hangs_holds_nobody_up(
    receiver: Receiver, posting: Posting
) -> None:
    """Forty names that never resolve, and another receiver gets its event at once."""
    hung = {f"h{number}.example": "hang" for number in range(40)}
    async with name_server(hung) as port, posting(name_server=port, timeout_s=30) as poster:
        stuck = [asyncio.create_task(attempt(poster, f"http://{name}/")) for name in hung]
        async with asyncio.timeout(5):
            answer = await attempt(poster, receiver.url)
        assert not any(task.done() for task in stuck)
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
    assert answer.verdict is Verdict.DELIVERED


async def test_fault_12_headers_never_come(receiver: Receiver, posting: Posting) -> None:
    """A receiver that says nothing costs one deadline, not a connection for ever."""
    receiver.script.append(Reply(hang=True))
    async with posting(timeout_s=0.2) as poster:
        async with asyncio.timeout(5):
            answer = await attempt(poster, receiver.url)
    assert answer == Answer(Verdict.RETRY, 0, "no answer within 0.2 s", blames_host=True)


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.DELIVERED), (500, Verdict.RETRY)])
async def test_fault_13_a_dripping_body_meets_the_deadline(
    receiver: Receiver, posting: Posting, status: int, verdict: Verdict
) -> None:
    """The deadline is total: bytes that keep coming do not move it. The status still counts."""
    receiver.script.append(Reply(status=status, body=b"x" * 100, drip_s=0.1))
    async with posting(timeout_s=0.3) as poster:
        async with asyncio.timeout(5):
            answer = await attempt(poster, receiver.url)
    assert (answer.verdict, answer.status) == (verdict, status)


async def test_fault_14_of_a_long_response_little_is_read(
    receiver: Receiver, posting: Posting
) -> None:
    """200 kB or 200 MB: 64 KiB are read, then the connection is closed, and 2xx counts."""
    receiver.script.append(Reply(body=b"x" * 65536, repeat=3200))
    async with posting(timeout_s=30) as poster:
        answer = await attempt(poster, receiver.url)
        assert answer.verdict is Verdict.DELIVERED
        await attempt(poster, receiver.url)
    assert receiver.sent_bytes < 32 * 1024 * 1024  # what the system's buffers took
    assert receiver.hooks[1].connection != receiver.hooks[0].connection


async def test_fault_14_no_more_than_64_kib_are_waited_for(
    receiver: Receiver, posting: Posting
) -> None:
    """A body that stops just beyond that, and never ends, is not waited for."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 80000\r\n\r\n"
    receiver.script.append(Reply(raw=head + b"x" * 70_000))
    async with posting(timeout_s=30) as poster, asyncio.timeout(15):
        answer = await attempt(poster, receiver.url)
        assert answer.verdict is Verdict.DELIVERED
        await attempt(poster, receiver.url)
    assert receiver.hooks[1].connection != receiver.hooks[0].connection


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("raw", "flood", "verdict"),
    [
        (b"", INTERIM * 500, Verdict.RETRY),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 60_000, Verdict.RETRY),
        (ANSWER, ANSWER * 500, Verdict.DELIVERED),
        (CHUNKED, b"1\r\nx\r\n" * 500, Verdict.DELIVERED),
        (CHUNKED + b"1;", b"x" * 60_000, Verdict.DELIVERED),
    ],
    ids=["interim", "header", "unasked", "chunks", "chunk extension"],
)
async def test_a_flood_ends_its_connection(
    receiver: Receiver, posting: Posting, raw: bytes, flood: bytes, verdict: Verdict
) -> None:
    """However little of it is an answer, and also while nobody asks: it is not listened to, so
    it costs others neither time nor memory. The status counts, where there is one."""
    receiver.script.append(Reply(raw=raw, flood=flood))
    async with posting(timeout_s=60) as poster:
        answer = await attempt(poster, receiver.url)
        assert answer.verdict is verdict
        await receiver.noticed.until(lambda: receiver.ended == 1)
        assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED


async def test_a_few_interim_answers_are_none(receiver: Receiver, posting: Posting) -> None:
    """100 and 103 come before an answer and are not it; the connection stays."""
    receiver.default = lambda _: Reply(raw=INTERIM * 10 + ANSWER)
    async with posting() as poster:
        for _ in range(10):
            assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED
    assert receiver.connections == 1


async def test_an_answer_that_breaks_off_is_one(receiver: Receiver, posting: Posting) -> None:
    """A 200 whose body never came was a 200."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab"
    receiver.script.append(Reply(raw=cut, close=True))
    async with posting() as poster:
        assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED
    assert len(receiver.hooks) == 1


async def test_fault_15_a_gzip_bomb_is_never_inflated(receiver: Receiver, posting: Posting) -> None:
    """50 MB of zeros in 50 kB, and bytes that are no gzip at all, are the same to us: little
    enough to be read to their end, after which the connection is used again."""
    bomb = gzip.compress(bytes(50_000_000))
    async with posting(timeout_s=30) as poster:
        for body in (bomb, b"no gzip"):
            receiver.script.append(Reply(body=body, headers={"Content-Encoding": "gzip"}))
            answer = await attempt(poster, receiver.url)
            assert answer.verdict is Verdict.DELIVERED
    assert receiver.hooks[0].headers["accept-encoding"] == "identity"
    assert receiver.hooks[0].connection == receiver.hooks[1].connection


async def test_fault_16_a_stale_connection_is_repeated_at_once(
    receiver: Receiver, posting: Posting
) -> None:
    """A keep-alive connection closed under us is nobody's failure."""
    receiver.script.extend([Reply(), Reply(close=True), Reply()])
    async with posting() as poster:
        await attempt(poster, receiver.url)
        answer = await attempt(poster, receiver.url)
    assert answer.verdict is Verdict.DELIVERED
    first, closed, repeated = receiver.hooks
    assert closed.connection == first.connection != repeated.connection
    assert closed.headers == repeated.headers


async def test_fault_16_a_fresh_connection_is_not(receiver: Receiver, posting: Posting) -> None:
    """A receiver that closes every connection is not hit twice as hard."""
    receiver.default = lambda _: Reply(close=True)
    async with posting() as poster:
        answer = await attempt(poster, receiver.url)
    error = "the connection was closed before an answer"
    assert answer == Answer(Verdict.RETRY, 0, error, blames_host=True)
    assert len(receiver.hooks) == 1


async def test_connections_are_kept_and_cookies_are_not(
    receiver: Receiver, posting: Posting
) -> None:
    """Ten events cost one connection; nothing a receiver says comes back to it."""
    receiver.default = lambda _: Reply(headers={"Set-Cookie": "id=1; Path=/"}, body=b"ok")
    async with posting() as poster:
        for _ in range(10):
            await attempt(poster, receiver.url)
    assert receiver.connections == 1
    assert not any("cookie" in hook.headers for hook in receiver.hooks)


async def test_a_proxy_in_the_environment_is_not_used(
    receiver: Receiver, posting: Posting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks go where the URL says."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with posting() as poster:
        assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED


async def test_the_bypass_token_goes_to_named_hosts_only(
    receiver: Receiver, posting: Posting
) -> None:
    """No other receiver learns it."""
    for hosts, expected in ((["127.0.0.1"], "tok"), (["example.test"], None)):
        async with posting(bypass=Bypass("tok", hosts)) as poster:
            await attempt(poster, receiver.url)
        assert receiver.hooks[-1].headers.get("x-vercel-protection-bypass") == expected


async def test_a_large_event_arrives_whole(receiver: Receiver, posting: Posting) -> None:
    """Four megabytes go in one body, with its length told."""
    post = Post("agent_2", b'"' + b"x" * (4 * 1024 * 1024) + b'"')
    async with posting() as poster:
        answer = await attempt(poster, receiver.url, post=post)
    assert answer.verdict is Verdict.DELIVERED
    assert receiver.hooks[0].body == post.body
    assert receiver.hooks[0].headers["content-length"] == str(len(post.body))


async def test_fault_35_one_dead_host_takes_no_connection_from_others(posting: Posting) -> None:
    """A hundred and fifty hung posts to one host, and the next host is served at once."""
    async with Receiver() as dead, Receiver() as alive, posting(timeout_s=30) as poster:
        dead.default = lambda _: Reply(hang=True)
        stuck = [asyncio.create_task(attempt(poster, dead.url)) for _ in range(150)]
        await dead.wait(150)
        async with asyncio.timeout(5):
            assert (await attempt(poster, alive.url)).verdict is Verdict.DELIVERED
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


async def test_attempts_in_flight_to_one_origin_are_bounded(
    receiver: Receiver, posting: Posting
) -> None:
    """A slow host takes no more than its share of connections: beyond it nothing is posted,
    which is no failure and lasts a moment; other hosts go on, and so does that one, later."""
    gate = asyncio.Event()
    receiver.default = lambda _: Reply(gate=gate)
    async with posting(attempts_per_origin=3, timeout_s=30) as poster, Receiver() as other:
        slow = [asyncio.create_task(attempt(poster, receiver.url)) for _ in range(3)]
        await receiver.wait(3)
        held = await attempt(poster, receiver.url)
        assert (held.verdict, held.status, held.blames_host) == (Verdict.HELD, 0, False)
        assert 0 < held.retry_after_s <= 5
        assert (await attempt(poster, other.url)).verdict is Verdict.DELIVERED
        slow.pop().cancel()
        slow.append(asyncio.create_task(attempt(poster, receiver.url)))
        await receiver.wait(4)
        gate.set()
        assert {answer.verdict for answer in await asyncio.gather(*slow)} == {Verdict.DELIVERED}
        assert (await attempt(poster, receiver.url)).verdict is Verdict.DELIVERED
    assert len(receiver.hooks) == 5


async def test_errors_never_show_the_url(posting: Posting) -> None:
    """A URL may hold a token, and errors are kept and shown."""
    async with posting() as poster:
        answer = await attempt(poster, "http://127.0.0.1:1/hook?token=s3cret")
    assert "s3cret" not in answer.error


async def test_what_fails_in_the_gateway_is_an_answer(receiver: Receiver, posting: Posting) -> None:
    """It ends neither the turn nor the relay of all its agent's turns; no host is blamed."""
    async with posting() as poster:
        await poster.close()
        answer = await attempt(poster, receiver.url)
    assert answer.verdict is Verdict.RETRY
    assert "RuntimeError" in answer.error
    assert not answer.blames_host
