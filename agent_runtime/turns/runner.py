"""Runs queued messages one at a time, and the other commands beside them."""

import asyncio
import logging

from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import Closing, RuntimeFault
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import OUTCOMES, Acceptance, Command, CommandKind, Turn
from agent_runtime.model import Code, Outcome, TurnEnd, Usage
from agent_runtime.turns import ends
from agent_runtime.turns.conduct import Conduct
from agent_runtime.turns.drained import Drained
from agent_runtime.turns.needs import check_supported
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.prompt import Prompt
from agent_runtime.turns.queue import Queue
from agent_runtime.turns.sink import Voice
from agent_runtime.turns.snapshots import Snapshots
from agent_runtime.turns.totals import Totals
from agent_runtime.turns.wakeup import Wakeup
from proto.agent.v1.agent_pb2 import SendMessageRequest
from proto.relay.v1 import relay_pb2

log = logging.getLogger(__name__)


class Runner:
    """Owns the backend, the queue and the running turn.

    `run` is one task, for life; the other methods are called by the server's tasks.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        drained: Drained,
        backend: Backend,
        mode: PermissionMode,
        policy: Policy,
        snapshots: Snapshots,
        turn_limit_s: float,
        grace_s: float,
    ) -> None:
        self._journal = journal
        self._snapshots = snapshots
        self._drained = drained
        self._backend = backend
        self._conduct = Conduct(
            journal=journal, backend=backend, mode=mode, policy=policy, turn_limit_s=turn_limit_s
        )
        self._totals = Totals(journal)
        self._grace_s = grace_s
        self._voice = Voice(backend.name)
        self._queue = Queue()
        self._wake = asyncio.Event()
        self.wakeup = Wakeup(backend, self._wake)
        self._idle = asyncio.Event()
        self._hurry = asyncio.Event()
        self._running: tuple[Turn, Prompt] | None = None
        self._accepting: set[asyncio.Task[Acceptance]] = set()
        self._closing = False
        self._stopping = False
        self.failure = ""
        """Why the last turn's backend could not be used; "" when it could."""

    @property
    def busy(self) -> bool:
        """Whether a command is being accepted, waits or runs."""
        return self._running is not None or bool(self._queue) or bool(self._accepting)

    @property
    def processing(self) -> bool:
        return self._running is not None

    @property
    def session_id(self) -> str:
        return self._journal.fact(self._conduct.session_fact)

    @property
    def backend_name(self) -> str:
        return self._backend.name

    @property
    def capabilities(self) -> list[str]:
        """Of the backend, sorted."""
        return sorted(self._backend.capabilities)

    @property
    def usage(self) -> Usage | None:
        """Of all turns together; None while none has told any."""
        return self._totals.usage

    async def recover(self) -> None:
        """Take up what the journal holds: a final for what was running, the rest queued."""
        short: list[Turn] = []
        for turn in self._journal.open_turns():
            if not turn.kind.queued:
                short.append(turn)
            elif turn.state == relay_pb2.TURN_STATE_RUNNING:
                await self._finish(turn, ends.RESTARTED)
            else:
                message = self._journal.request_of(turn.turn).send_message
                self._queue.put(turn, now=message.when == "now")
        for turn in short:
            await self._run_short(turn)

    async def run(self) -> None:
        """One queued turn after the other, until `drain`; then ends the CLI."""
        try:
            while not self._stopping:
                if self._queue and self._snapshots.due:
                    await self._snapshots.take_in_time()  # and look again: the queue may be empty
                elif self._queue:
                    await self._run_message(self._queue.take())
                elif self.wakeup.due:
                    await self.wakeup.fulfil()
                else:
                    await self._rest()
        finally:
            self._running = None
            await self._backend.stop()
            self._idle.set()

    async def submit(self, command: Command) -> Acceptance:
        """Journal a command and set it going; durable when this returns.

        A caller that goes away does not stop what has begun.

        Raises:
            Closing, NotDrained, Exhausted, Invalid, Unsupported: nothing was accepted.
        """
        check_supported(command.request, self._backend)
        if command.kind is CommandKind.SET_MODEL:
            self._backend.check_model(command.request.set_model.model)
        if self._closing:
            raise Closing("this agent takes no more commands: it is ending")
        self._drained.admit(command)
        accepting = asyncio.create_task(
            self._accept(command), name=f"accept-{command.request.request_id}"
        )
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)
        return await asyncio.shield(accepting)

    def close(self) -> None:
        """Take no new command any more."""
        self._closing = True

    def hurry(self) -> None:
        """No more grace for the running turn, also where a `retire` or `drain` gives it now."""
        self._hurry.set()

    async def retire(self, *, graceful: bool, end: TurnEnd = ends.INTERRUPTED) -> None:
        """End every open turn like that, the running one after its chance; then the CLI."""
        self.close()
        await self._settle_accepting()
        for turn in self._queue.empty():
            await self._finish(turn, end)
        await self._end_running(end, graceful=graceful)
        await self._backend.stop()

    async def drain(self) -> None:
        """End the running turn, after its chance unless in a hurry; queued ones stay queued."""
        self._stopping = True
        self.close()
        await self._settle_accepting()
        self._wake.set()
        await self._end_running(ends.INTERRUPTED, graceful=True)

    async def _accept(self, command: Command) -> Acceptance:
        accepted = await self._journal.accept(command)
        if accepted.result != relay_pb2.SubmitResponse.RESULT_ACCEPTED:
            return accepted
        message = command.request.send_message
        if message.when == "now":
            await self._make_way(accepted.turn, message)
        elif command.kind.queued:
            self._enqueue(accepted.turn, now=False)
        else:
            await self._run_short(accepted.turn)
        return accepted

    async def _settle_accepting(self) -> None:
        if self._accepting:
            await asyncio.wait(set(self._accepting))

    async def _rest(self) -> None:
        self._idle.set()
        self._wake.clear()
        await self._wake.wait()

    async def _end_running(self, end: TurnEnd, *, graceful: bool) -> None:
        if graceful:
            await self._give_chance()
        if self._running is not None:
            self._running[1].interrupt(end)
        await self._idle.wait()

    async def _give_chance(self) -> None:
        """Until the running turn has ended, the grace is over, or somebody is in a hurry."""
        waits = [
            asyncio.create_task(self._idle.wait(), name="idle"),
            asyncio.create_task(self._hurry.wait(), name="hurry"),
        ]
        try:
            await asyncio.wait(waits, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _run_message(self, turn: Turn) -> None:
        """To its final, whatever fails: else the next runtime would fail at the same turn."""
        self._idle.clear()
        self._snapshots.turn_began()
        try:
            end = await self._prompt(turn)
        except Exception:
            log.exception("turn_failed", extra={"request_id": turn.request_id})
            end = ends.FAULTY
        self.failure = end.message if end.code is Code.BACKEND_CRASHED else ""
        self._running = None
        self._snapshots.turn_ended()
        await self._finish(turn, end)

    async def _prompt(self, turn: Turn) -> TurnEnd:
        prompt = self._conduct.prompt(turn)
        self._running = (turn, prompt)
        await self._journal.start_turn(turn.turn)
        log.info("turn_started", extra={"request_id": turn.request_id})
        return await prompt.run()

    async def _run_short(self, turn: Turn) -> None:
        """Carry out a command that does not wait for the queue, and give it its final."""
        try:
            await self._carry_out(turn)
        except RuntimeFault as fault:
            end = TurnEnd(outcome=Outcome.FAILED, code=Code.PROCESSING_ERROR, message=str(fault))
        except Exception:
            log.exception("command_failed", extra={"request_id": turn.request_id})
            end = ends.FAULTY
        else:
            end = ends.DONE
        await self._finish(turn, end)

    async def _carry_out(self, turn: Turn) -> None:
        request = self._journal.request_of(turn.turn)
        if turn.kind is CommandKind.INTERRUPT:
            await self._interrupt(request.interrupt.target)
        else:
            await self._conduct.change(turn.kind, request)

    async def _interrupt(self, target: str) -> None:
        """End the target: running, or queued; one that has ended is left as it is."""
        if self._running is not None and self._running[0].request_id == target:
            self._running[1].interrupt()
            return
        queued = self._queue.remove(target)
        if queued is not None:
            await self._finish(queued, ends.INTERRUPTED)

    async def _make_way(self, turn: Turn, message: SendMessageRequest) -> None:
        """Of a message that is wanted now: into the running turn where the CLI takes it there,
        else the next one, for which the running turn ends."""
        if self._running is not None and await self._running[1].steer(
            self._conduct.said(message), Policy.of(message.policy)
        ):
            await self._finish(turn, ends.DONE)
            return
        self._enqueue(turn, now=True)
        if self._running is not None:
            self._running[1].make_way()

    def _enqueue(self, turn: Turn, *, now: bool) -> None:
        self._idle.clear()
        self._queue.put(turn, now=now)
        self._wake.set()

    async def _finish(self, turn: Turn, end: TurnEnd) -> None:
        response = self._voice.final(turn, self.session_id, end)
        facts = self._totals.add(end.usage) if end.usage is not None else {}
        await self._journal.finish(
            turn.turn, response.SerializeToString(), OUTCOMES[end.outcome], facts=facts
        )
        log.info("turn_ended", extra={"request_id": turn.request_id, "outcome": end.outcome.value})
