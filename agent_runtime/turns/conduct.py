"""How this agent does things now, and what a queued turn becomes by it."""

from agent_runtime.backends.message import Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import Invalid
from agent_runtime.journal.journal import Journal
from agent_runtime.journal.rows import CommandKind, Turn
from agent_runtime.turns.clock import TurnClock
from agent_runtime.turns.consent import Consent
from agent_runtime.turns.needs import attachments
from agent_runtime.turns.policy import Policy
from agent_runtime.turns.prompt import NewSession, Prompt, Say
from agent_runtime.turns.sink import JournalSink, Voice
from agent_runtime.turns.waiting import Waiting
from proto.agent.v1.agent_pb2 import AgentRequest, SendMessageRequest

NEW_SESSION_LIMIT_S = 120.0
"""The CLI may have to be started first."""


class Conduct:
    """Permission mode and policy, and the prompts that wait. Owned by the runner."""

    def __init__(
        self,
        *,
        journal: Journal,
        backend: Backend,
        mode: PermissionMode,
        policy: Policy,
        turn_limit_s: float,
    ) -> None:
        self._journal = journal
        self._backend = backend
        self._mode = mode
        self._policy = policy
        self._turn_limit_s = turn_limit_s
        self._waiting = Waiting(journal.prompts)
        self._voice = Voice(backend.name)
        self.session_fact = f"session:{backend.name}"

    def prompt(self, turn: Turn) -> Prompt:
        """What runs for a queued turn, under what holds now."""
        request = self._journal.request_of(turn.turn)
        message = request.send_message
        clock = TurnClock(self._limit_s(turn.kind, message))
        sink = JournalSink(
            journal=self._journal,
            voice=self._voice,
            turn=turn,
            session_fact=self.session_fact,
            clock=clock,
            merge=self._backend.merge,
            consent=Consent(
                turn=turn.turn,
                policy=Policy.of(message.policy).over(self._policy),
                mode=self._mode,
                waiting=self._waiting,
                clock=clock,
            ),
        )
        if turn.kind is CommandKind.NEW_SESSION:
            work: Say | NewSession = NewSession(fork=request.new_session.fork)
        else:
            work = Say(self.said(message))
        return Prompt(self._backend, work, sink, clock)

    def said(self, message: SendMessageRequest) -> Message:
        return Message(message.content, tuple(attachments(message)))

    async def change(self, kind: CommandKind, request: AgentRequest) -> None:
        """What a command that does not wait changes. Raises RuntimeFault."""
        match kind:
            case CommandKind.SET_MODEL:
                await self._backend.set_model(request.set_model.model)
                await self._journal.put_fact("model", request.set_model.model)
            case CommandKind.SET_PERMISSION_MODE:
                await self._backend.set_permission_mode(request.set_permission_mode.mode)
                self._mode = PermissionMode.parse(request.set_permission_mode.mode)
                await self._journal.put_fact("permission_mode", request.set_permission_mode.mode)
            case CommandKind.SET_POLICY:
                self._policy = Policy.of(request.set_policy.policy)
                await self._journal.put_fact("policy", self._policy.text)
            case CommandKind.REPLY:
                self._waiting.answer(request.reply)
            case _:
                raise Invalid(f"{kind.name.lower()} changes nothing by itself")

    def _limit_s(self, kind: CommandKind, message: SendMessageRequest) -> float:
        if kind is CommandKind.NEW_SESSION:
            return NEW_SESSION_LIMIT_S
        return message.timeout_ms / 1000 if message.timeout_ms else self._turn_limit_s
