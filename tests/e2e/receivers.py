"""All receivers of one agent's turns: every post waits for the answer that a test gives it, and
is held against the journal."""

from collections import defaultdict

from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import Turn, is_due
from agent_runtime.journal.statements import now_ms
from gateway.delivery.answer import Answer, Verdict
from gateway.delivery.payload import build, together
from proto.agent.v1 import agent_pb2
from tests.e2e.relayed import AGENT, Attempt, Relayed


class Receivers:
    """What they were sent, what they said, and what was wrong with it.

    `settled`: the seqs that one took or refused, by turn and generation. `delivered`,
    `rejected`: in any generation. `urls`: where posts have to go, by turn and generation.
    `attempts`: those that wait for an answer.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.attempts: list[Attempt] = []
        self.faults: list[str] = []
        self.urls: dict[tuple[str, int], str] = {}
        self.settled: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self.delivered: defaultdict[str, set[int]] = defaultdict(set)
        self.rejected: defaultdict[str, set[int]] = defaultdict(set)

    def by(self, relay: Relayed) -> list[Attempt]:
        """Its attempts that wait for an answer."""
        return [attempt for attempt in self.attempts if attempt.by is relay]

    async def arrived(self, attempt: Attempt) -> Answer:
        """A gateway posts."""
        self._check(attempt)
        self.attempts.append(attempt)
        try:
            return await attempt.answer
        finally:
            if attempt in self.attempts:
                self.attempts.remove(attempt)

    def answer(self, attempt: Attempt, answer: Answer) -> None:
        """It is the receiver's word from now on, whoever hears of it."""
        self.attempts.remove(attempt)
        attempt.answer.set_result(answer)
        refused = answer.verdict is Verdict.REJECTED and len(attempt.seqs) == 1
        if answer.verdict is not Verdict.DELIVERED and not refused:
            return
        (self.rejected if refused else self.delivered)[attempt.name].update(attempt.seqs)
        key = (attempt.name, attempt.generation)
        self.settled[key].update(attempt.seqs)
        attempt.by.settled[key] = attempt.seqs[-1]

    def wanted(self, turn: Turn, up_to_seq: int) -> list[int]:
        """The seqs that are to be delivered."""
        query = "SELECT seq FROM events WHERE turn = ? AND seq <= ? AND wanted = 1 ORDER BY seq"
        rows = self.journal._reader.execute(query, (turn.turn, up_to_seq))
        return [seq for (seq,) in rows]

    def check_waiting(self) -> None:
        """Note what is wrong by now with what has been posted."""
        for attempt in self.attempts:
            self._check_owner(attempt)

    def _check(self, attempt: Attempt) -> None:
        """It has to be as journalled, in order, one at a time, and due."""
        name, seqs, turn = attempt.name, attempt.seqs, self.journal.turn(attempt.name)
        rows = [self._row(turn, seq) for seq in seqs]
        posts = [build(AGENT, row) for row in rows]
        if attempt.post != (together(posts) if attempt.batched else posts[0]):
            self.faults.append(f"{name}: not what is journalled")
        suffix = f"{name}_final" if rows[-1].is_final else rows[-1].seq
        if attempt.post.webhook_id != f"{AGENT}_{suffix}":
            self.faults.append(f"{name}: posted as {attempt.post.webhook_id}")
        if seqs != self.wanted(turn, seqs[-1])[-len(seqs) :]:
            self.faults.append(f"{name}: a gap within {seqs}, or what nobody wanted")
        before = self.wanted(turn, seqs[0] - 1)[-1:]
        if not set(before) <= self.delivered[name] | self.rejected[name]:
            self.faults.append(f"{name}: {seqs} posted before {before} had arrived")
        if any(other.name == name for other in self.by(attempt.by)):
            self.faults.append(f"{name}: two at a time")
        if attempt.url != self.urls.get((name, attempt.generation)):
            self.faults.append(f"{name}: posted to {attempt.url}")
        self._check_owner(attempt)

    def _check_owner(self, attempt: Attempt) -> None:
        """Its gateway has to have the turn, and nothing may say that it waits."""
        name, turn = attempt.name, self.journal.turn(attempt.name)
        given = (name, attempt.generation)
        if not attempt.generation or given in attempt.by.line.returned:
            self.faults.append(f"{name}: posted after it was given back")
        if attempt.by.lives and attempt.generation == turn.generation:
            if turn.abandoned is not None:
                self.faults.append(f"{name}: posted after it was abandoned")
            if not is_due(turn.next_attempt_ms, now_ms()):
                self.faults.append(f"{name}: posted before it was due")

    def _row(self, turn: Turn, seq: int) -> agent_pb2.AgentResponse:
        [row] = self.journal.cursor(turn.turn, seq - 1).take(events=1)
        assert row.seq == seq
        return row.response
