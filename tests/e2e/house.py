"""One agent, the gateways that relay it and its receivers, in one event loop; everybody can die.

Real are the journal, the agent's end of each relay and the gateways' relays.
"""

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Turn
from agent_runtime.journal.statements import now_ms
from agent_runtime.server.relay_slot import RelaySlot
from agent_runtime.turns.command import check
from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.policy import Policy
from gateway.delivery.ticket import seal
from gateway.keyring import GatewayKey, Keyring
from gateway.model import Batch, Target
from gateway.relay.timing import Timing
from proto.agent.v1 import agent_pb2
from proto.relay.v1 import relay_pb2
from tests.e2e.receivers import Receivers
from tests.e2e.relayed import AGENT, Attempt, Relayed

DELIVERED = Answer(Verdict.DELIVERED, 200)
MORTAL_S = 0.02
"""Of silence; the other relays live as long as a test takes."""


class House:
    """Made and used in one event loop. `relays`: the one that lives, and those that are dead."""

    def __init__(self, policy: Policy) -> None:
        self.names: list[str] = []
        self.relays: list[Relayed] = []
        self._policy = policy
        self._keyring = Keyring([GatewayKey.new()])
        self._folder = Path(tempfile.mkdtemp(prefix="forge-model-"))
        self._place = self._new_place()
        self._start()
        self.receivers = Receivers(self.journal)

    def _start(self) -> None:
        self.journal = Journal(self._place)
        self._slot = RelaySlot()

    async def close(self) -> None:
        try:
            await self._stop()
        finally:
            shutil.rmtree(self._folder)

    @property
    def turns(self) -> list[Turn]:
        return [self.journal.turn(name) for name in self.names]

    @property
    def living(self) -> list[Relayed]:
        """The relay that lives, if there is one."""
        return [relay for relay in self.relays if relay.lives]

    # What the agent does.

    async def accept(self, batch: Batch | None, kinds: tuple[str, ...]) -> None:
        name = f"r{len(self.names)}"
        send = agent_pb2.SendMessageRequest(content="hello")
        command = check(
            agent_pb2.AgentRequest(request_id=name, send_message=send),
            ticket=self._ticket(name, 1, batch),
            options=relay_pb2.DeliveryOptions(kinds=kinds),
        )
        await self.journal.accept(command)
        self.names.append(name)

    async def append(self, turn: Turn, count: int, size_bytes: int) -> None:
        """Of a turn with kinds every other event is wanted."""
        for number in range(count):
            event = agent_pb2.EventPayload(event_json=b'"%d %s"' % (number, b"x" * size_bytes))
            response = agent_pb2.AgentResponse(request_id=turn.request_id, event=event)
            wanted = not turn.kinds or number % 2 == 0
            self.journal.append(turn.turn, response.SerializeToString(), wanted=wanted)

    async def finish(self, turn: Turn) -> None:
        final = agent_pb2.AgentResponse(
            request_id=turn.request_id,
            is_final=True,
            complete=agent_pb2.CompletePayload(success=True),
        )
        await self.journal.finish(turn.turn, final.SerializeToString(), 1)

    async def redeliver(
        self, turn: Turn, from_seq: int, batch: Batch | None, *, other: bool
    ) -> None:
        """What it leaves settled has been, and is not asked for; a living relay has it soon."""
        name, generation = turn.request_id, turn.generation + 1
        urls, settled = self.receivers.urls, self.receivers.settled
        ticket = self._ticket(name, generation, batch) if other else None
        urls.setdefault((name, generation), urls[name, turn.generation])
        assert await self.journal.redeliver(name, from_seq, ticket) == generation
        after = self.journal.turn(name)
        assert (after.abandoned, after.attempts, after.next_attempt_ms) == (None, 0, 0)
        left = set(self.receivers.wanted(after, after.acked_seq))
        assert left <= settled[name, turn.generation]
        assert not from_seq or all(seq < from_seq for seq in left)
        settled[name, generation] |= left
        await self._until(lambda: all(self._told(relay, name, generation) for relay in self.living))

    # What receivers do.

    def say(self, relay: Relayed, words: Answer | None) -> None:
        """What they answer to all that it has posted; None: nothing."""
        if words is not None:
            for attempt in self.receivers.by(relay):
                self.receivers.answer(attempt, words)

    async def answer_some(self, which: int, answer: Answer, times: int) -> None:
        """One attempt, and those of its turn that follow it."""
        attempts = self.receivers.attempts
        for _ in range(times):
            if not attempts:
                return
            attempt = attempts[which % len(attempts)]
            await self._answer(attempt, answer)
            attempts = [
                other for other in self.receivers.by(attempt.by) if other.name == attempt.name
            ]

    async def make_due(self, name: str) -> None:
        """The time for which the turn is parked has passed."""
        turn = self.journal.turn(name).turn
        due = "UPDATE turns SET next_attempt_ms = 1 WHERE turn = ? AND next_attempt_ms > 0"
        await self.journal._change(turn, lambda c: c.execute(due, (turn,)))

    # Who comes, dies and hangs.

    async def attach(self, timing: Timing, silence_s: float = 60) -> Relayed:
        """Raises RelayTaken."""
        relay = Relayed(
            self.journal,
            self._slot,
            keyring=self._keyring,
            policy=self._policy,
            timing=timing,
            silence_s=silence_s,
            arrived=self.receivers.arrived,
        )
        self.relays.append(relay)
        await self.settle_down()
        return relay

    async def kill(self, relay: Relayed, words: Answer | None, steps: int, *, heard: bool) -> None:
        """A gateway dies so many steps after receivers said that."""
        self.say(relay, words)
        await _steps(steps)
        self.relays.remove(relay)
        await relay.kill(heard=heard)

    async def close_gateway(self, relay: Relayed, words: Answer, steps: int) -> None:
        """In order, while receivers say that."""
        finishing = asyncio.create_task(relay.finish(), name="finish")
        await _steps(steps)
        self.say(relay, words)
        async with asyncio.timeout(5):
            await finishing

    async def snap(self, relay: Relayed) -> None:
        """Its line breaks."""
        self.relays.remove(relay)
        relay.line.snap()
        await relay.ended()

    async def hang(self, timing: Timing, taken: int) -> None:
        """A relay is silent until it is dead, and is replaced; receivers take so many posts
        of which the agent does not hear."""
        for relay in self.living:
            await self.snap(relay)
        hung = await self.attach(timing, silence_s=MORTAL_S)
        for attempt in self.receivers.by(hung)[:taken]:
            self.receivers.answer(attempt, DELIVERED)
        hung.line.hang(hanging=True)
        if hung.session._turns.any_open:
            async with asyncio.timeout(5):
                await hung.dead.wait()
            await self.attach(timing)
        else:
            hung.line.hang(hanging=False)

    async def restart(self, words: Answer | None, steps: int) -> None:
        """The runtime is killed so many steps after receivers said that to every gateway; the
        next one finds what is committed."""
        for relay in self.relays:
            self.say(relay, words)
        await _steps(steps)
        place = self._new_place()
        with (
            contextlib.closing(sqlite3.connect(self._place / "journal.db")) as before,
            contextlib.closing(sqlite3.connect(place / "journal.db")) as after,
        ):
            before.backup(after)
        await self._stop()
        self._place = place
        self._start()
        self.receivers.journal = self.journal

    # How it ends.

    async def deliver_all(self) -> None:
        """Every turn ends, every answer is a good one: everything has to arrive, and without
        another relay as long as the one there is lives."""
        for turn in self.turns:
            if not turn.ended:
                await self.finish(turn)
        for relay in self.relays:
            relay.line.hang(hanging=False)
        async with asyncio.timeout(10):
            while self.journal.outstanding.undelivered():
                if not self.living:
                    await self.attach(Timing(gather_s=0.0))
                for relay in self.relays:
                    self.say(relay, DELIVERED)
                for turn in self.turns:
                    if turn.next_attempt_ms > now_ms() + 1000:
                        await self.make_due(turn.request_id)
                await self.settle_down()

    async def rest(self) -> None:
        """With nothing to deliver, no side holds anything."""
        async with asyncio.timeout(5):
            while any(relay.relay._deliveries for relay in self.living):
                for relay in self.living:
                    self.say(relay, DELIVERED)
                await self.settle_down()
        for relay in self.living:
            assert not relay.held.held_bytes
            assert not relay.session._turns.any_open
            await relay.finish()

    async def settle_down(self) -> None:
        """Everybody has done what can be done without waiting."""
        for _ in range(3):
            await _steps(10)
            await self.journal.caught_up()

    async def _stop(self) -> None:
        for relay in list(self.relays):
            await self.snap(relay)
        await self.journal.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def _answer(self, attempt: Attempt, answer: Answer) -> None:
        """Until what was asked for has come about."""
        self.receivers.answer(attempt, answer)
        await self.settle_down()
        if answer.retry_after_s > 1 or answer.verdict is Verdict.GONE:
            await self._until(lambda: self._heard(attempt, answer))

    def _heard(self, attempt: Attempt, answer: Answer) -> bool:
        """Whether the journal has what a receiver asked for, if a living relay told it, and no
        dead one told before that the event had arrived after all."""
        turn = self.journal.turn(attempt.name)
        if not attempt.by.lives or turn.generation != attempt.generation or turn.settled:
            return True
        if turn.acked_seq >= attempt.seqs[0]:
            return answer.verdict is not Verdict.GONE or turn.abandoned is not None
        if turn.abandoned is not None:
            return answer.verdict is not Verdict.HELD
        return turn.next_attempt_ms > now_ms() + (answer.retry_after_s - 10) * 1000

    def _told(self, relay: Relayed, name: str, generation: int) -> bool:
        """Whether it has the turn, unless there is nothing to deliver now."""
        turn = self.journal.turn(name)
        given = relay.line.opened.get(name) == generation
        return given or turn.settled or turn.next_attempt_ms > 0

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await self.settle_down()

    def _ticket(self, name: str, generation: int, batch: Batch | None) -> bytes:
        url = f"http://127.0.0.1:9/{name}/{generation}"
        self.receivers.urls[name, generation] = url
        target = Target(webhook_url=url, batch=batch)
        return seal(self._keyring, agent_id=AGENT, request_id=name, target=target)

    def _new_place(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self._folder))


async def _steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
