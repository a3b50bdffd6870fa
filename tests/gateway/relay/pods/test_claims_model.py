"""Claims as a model with the real code: gateways that die, hang, lag and cannot reach the API
server end the turns of a lost pod, and receivers see one final of each."""

import asyncio
import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.delivery.answer import Answer, Verdict, judge
from gateway.delivery.attempt import Poster
from gateway.delivery.destination import Destination
from gateway.delivery.guard import LOOPBACK, Guard
from gateway.delivery.payload import Post
from gateway.delivery.policy import Policy
from gateway.delivery.ticket import seal
from gateway.errors import GatewayError
from gateway.keyring import GatewayKey, Keyring
from gateway.launchers.notes import Note
from gateway.model import Target
from gateway.relay.attach import Attachments
from gateway.relay.links import Links
from gateway.relay.pods.claims import LASTS_MS, Claims, unix_ms
from gateway.relay.pods.finals import Finals
from gateway.relay.pods.ledger import Ledger
from gateway.relay.pods.lost import Lost
from gateway.relay.pods.orphans import Orphans
from tests.gateway.relay.house import AGENT
from tests.gateway.relay.pods.town import pod
from tests.peers.launcher import ScriptedLauncher
from tests.peers.notes import Cluster, ScriptedNotes

TURNS = ("r1", "r2", "r3")
WHICH = st.integers(0, 9)
DELIVERED = Answer(Verdict.DELIVERED, 200)
FAILED = judge(500, None, longest_retry_after_s=3600)
ANSWERS = st.sampled_from(
    [
        DELIVERED,
        DELIVERED,
        FAILED,
        judge(429, "90", longest_retry_after_s=3600),
        judge(400, None, longest_retry_after_s=3600),
        judge(410, None, longest_retry_after_s=3600),
        Answer(Verdict.HELD, error="the host failed too often", retry_after_s=30.0),
    ]
)
_TICKS = 40


@dataclass(eq=False)
class Attempt:
    """A final on its way to the receiver."""

    holder: str
    at_ms: int
    post: Post
    answer: "asyncio.Future[Answer]" = field(default_factory=asyncio.Future)

    @property
    def turn(self) -> str:
        return str(json.loads(self.post.body)["request_id"])


class _Posting(Poster):
    """Its posts wait for the test's answer. Never started: it has no connections."""

    def __init__(self, world: "World", holder: str) -> None:
        super().__init__(Policy(first_wait_s=1.0), guard=Guard(LOOPBACK, own_port=lambda: 0))
        self._world = world
        self._holder = holder

    async def attempt(self, destination: Destination, post: Post) -> Answer:
        attempt = Attempt(self._holder, self._world.now_ms, post)
        self._world.arrived(attempt)
        return await attempt.answer


@dataclass(eq=False)
class Gateway:
    holder: str
    notes: ScriptedNotes
    lost: Lost
    task: "asyncio.Task[None] | None" = None


class World:
    """One lost pod, its gateways, a clock, and what receivers saw."""

    def __init__(self) -> None:
        self.now_ms = unix_ms()
        self.keyring = Keyring([GatewayKey.new()])
        self.cluster = Cluster()
        self.numbers = itertools.count()
        self.attempts: list[Attempt] = []
        self.bodies: dict[str, set[bytes]] = defaultdict(set)
        self.settled: dict[str, int] = defaultdict(int)
        self.faults: list[str] = []
        notes = {name: self._note(name) for name in TURNS}
        self.cluster.set(pod(self.keyring, fate="lost", notes=notes))
        self.gateways = [self.gateway(), self.gateway()]

    def gateway(self) -> Gateway:
        holder = f"gw-{next(self.numbers)}"
        claims = Claims(holder, lambda: self.now_ms)
        notes, launcher, links = self.cluster.view(), ScriptedLauncher(), Links()
        poster, ledger = _Posting(self, holder), Ledger(notes)
        attachments = Attachments(launcher, links, self.keyring, poster, ledger=ledger)
        finals = Finals(self.keyring, poster, claims)
        orphans = Orphans(finals, claims)
        lost = Lost(notes, attachments, ledger, finals, orphans, claims)
        return Gateway(holder, notes, lost)

    def arrived(self, attempt: Attempt) -> None:
        """A post is right only under a fresh claim of its gateway, and alone of its turn."""
        note = self.cluster.notes(AGENT).get(attempt.turn)
        if note is None or note.claim is None or note.claim.holder != attempt.holder:
            self.faults.append(f"{attempt.holder} posts {attempt.turn} without a claim")
        for other in self.attempts:
            young = attempt.at_ms - other.at_ms < LASTS_MS
            if other.turn == attempt.turn and other.holder != attempt.holder and young:
                self.faults.append(f"two gateways post {attempt.turn}")
        self.bodies[attempt.post.webhook_id].add(attempt.post.body)
        self.attempts.append(attempt)

    def start(self, gateway: Gateway) -> None:
        if gateway.task is None or gateway.task.done():
            gateway.task = asyncio.create_task(self._end(gateway), name=gateway.holder)

    async def answer(self, which: int, answer: Answer) -> None:
        if self.attempts:
            attempt = self.attempts.pop(which % len(self.attempts))
            if answer.verdict in (Verdict.DELIVERED, Verdict.REJECTED, Verdict.GONE):
                self.settled[attempt.turn] += 1
            if not attempt.answer.done():  # else its gateway is dead
                attempt.answer.set_result(answer)

    async def kill(self, index: int) -> None:
        """Another one comes in its place, and knows nothing."""
        gateway = self.gateways[index % 2]
        await _cancel(gateway)
        self.cluster.views.remove(gateway.notes)
        self.gateways[index % 2] = self.gateway()

    async def finish(self) -> None:
        """Everything works again, and time passes."""
        self.cluster.down = self.cluster.deaf = False
        for _ in range(50):
            for gateway in self.gateways:
                gateway.notes.catch_up()
                self.start(gateway)
            await _ticks()
            while self.attempts:
                await self.answer(0, DELIVERED)
                await _ticks()
            if not self.cluster.notes(AGENT):
                return
            self.now_ms += LASTS_MS

    async def close(self) -> None:
        for gateway in self.gateways:
            await _cancel(gateway)

    async def _end(self, gateway: Gateway) -> None:
        seen = gateway.notes.of(AGENT)
        assert seen is not None
        with contextlib.suppress(GatewayError):
            await gateway.lost.end(seen)

    def _note(self, name: str) -> Note:
        target = Target(webhook_url="http://127.0.0.1:9/hook")
        sealed = seal(self.keyring, agent_id=AGENT, request_id=name, target=target)
        return Note(request_id=name, kind="open", sealed=sealed, arrived_ms=self.now_ms)


class ClaimsModel(RuleBasedStateMachine):
    """What happens to a world; the loop stands still between two rules."""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self._build())

    @rule(index=WHICH)
    def a_gateway_looks(self, index: int) -> None:
        self._do(self._start(index))

    @rule(which=WHICH, answer=ANSWERS)
    def a_receiver_answers(self, which: int, answer: Answer) -> None:
        self._do(self.world.answer(which, answer))

    @rule(index=WHICH)
    def a_gateway_is_killed(self, index: int) -> None:
        self._do(self.world.kill(index))

    @rule(index=WHICH, lags=st.booleans())
    def a_watch_lags(self, index: int, lags: bool) -> None:
        notes = self.world.gateways[index % 2].notes
        if lags:
            notes.lags = True
        else:
            notes.catch_up()

    @rule(down=st.booleans())
    def the_api_server_is_away(self, down: bool) -> None:
        self.world.cluster.down = down

    @rule(deaf=st.booleans())
    def its_answers_are_lost(self, deaf: bool) -> None:
        """A change is made, and whoever made it does not hear so."""
        self.world.cluster.deaf = deaf

    @rule(seconds=st.sampled_from([1, 20, 61, 120]))
    def time_passes(self, seconds: int) -> None:
        self.world.now_ms += seconds * 1000

    @invariant()
    def every_post_was_right(self) -> None:
        assert not self.world.faults
        assert all(len(bodies) == 1 for bodies in self.world.bodies.values())

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.runner.run(self.world.finish())
            self.every_post_was_right()
            assert not self.world.cluster.notes(AGENT)
            assert self.world.bodies.keys() == {f"{AGENT}_{name}_final" for name in TURNS}
            assert all(self.world.settled[name] for name in TURNS)
        finally:
            self.runner.run(self.world.close())
            self.runner.close()

    async def _build(self) -> None:
        self.world = World()

    async def _start(self, index: int) -> None:
        self.world.start(self.world.gateways[index % 2])

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def do() -> None:
            await work
            await _ticks()

        self.runner.run(do())


async def _ticks() -> None:
    """Everything goes on until it waits for the test."""
    for _ in range(_TICKS):
        await asyncio.sleep(0)


async def _cancel(gateway: Gateway) -> None:
    if gateway.task is not None:
        gateway.task.cancel()
        await asyncio.wait({gateway.task})


TestClaims = ClaimsModel.TestCase
TestClaims.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
