"""What one prompt has come to, as told by the events alone. No I/O."""

from enum import Enum

from agent_runtime.backends.opencode import shapes
from agent_runtime.backends.opencode.events import Event, shape
from agent_runtime.backends.opencode.meaning import usage_of
from agent_runtime.backends.recent import Recent
from agent_runtime.model import Code, Outcome, TurnEnd, Usage


class Verdict(Enum):
    ONGOING = "ongoing"
    DOUBTFUL = "doubtful"
    """It may be over without saying so: if nothing comes, the CLI is to be asked."""
    ENDED = "ended"


class Session:
    """What is known of our session beyond one prompt; owned by the backend.

    `family`: sessions of subagents, ours and theirs. `messages`: the user's
    messages that earlier prompts made.
    """

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id
        self.family: Recent[str, None] = Recent()
        self.messages: Recent[str, None] = Recent()


class TurnState:
    """Fed with every event, in order, by the task that runs the prompt.

    A prompt begins with a user's message that no earlier prompt made. What comes
    before that is the tail of the prompt before, whose idle must not end this one;
    only an error counts, for a prompt that the CLI cannot even take up.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._begun = False
        self._idle = False
        self._answered = False
        self._error = ""
        self._abort_answered = False
        self._usage: Usage | None = None
        self.interrupted = False
        self.message: shapes.Message | None = None
        """The user's, once the CLI has made it."""
        self.pending_prompts: set[str] = set()
        """Permissions that were asked for and not answered yet."""

    def observe(self, event: Event) -> bool:
        """Whether the event belongs to this prompt."""
        if event.type == "session.created":
            self._adopt(event)
        own = event.session_id == self._session.session_id
        if not event.forwarded or not (own or not event.session_id or self.is_subagent(event)):
            return False
        if own:
            self._observe_own(event)
        if not self._begun:
            return own and event.type == "session.error" and bool(self._error)
        self._observe_any(event)
        return True

    def is_subagent(self, event: Event) -> bool:
        return event.session_id in self._session.family

    def took_up(self, event: Event) -> bool:
        """Whether the CLI says that it works on our session now."""
        told = shape(event, shapes.SessionStatus) if event.type == "session.status" else None
        own = event.session_id == self._session.session_id
        return own and told is not None and told.status.type != "idle"

    def abort_answered(self) -> None:
        """The CLI has obeyed; an idle from before that may not be its last word."""
        self._abort_answered = True
        self._idle = False

    @property
    def verdict(self) -> Verdict:
        if self.interrupted:
            return self._verdict_when_interrupted()
        if self._idle:
            return Verdict.ENDED if self._answered or self._error else Verdict.DOUBTFUL
        return Verdict.DOUBTFUL if self._error else Verdict.ONGOING

    def end(self) -> TurnEnd:
        if self.interrupted:
            return TurnEnd(outcome=Outcome.INTERRUPTED, usage=self._usage)
        if not self._error:
            return TurnEnd(outcome=Outcome.COMPLETED, usage=self._usage)
        return TurnEnd(
            outcome=Outcome.FAILED,
            code=Code.PROMPT_ERROR,
            message=self._error,
            usage=self._usage,
        )

    def _verdict_when_interrupted(self) -> Verdict:
        if not self._begun:
            return Verdict.ONGOING
        return Verdict.ENDED if self._idle and self._abort_answered else Verdict.DOUBTFUL

    def _adopt(self, event: Event) -> None:
        told = shape(event, shapes.SessionCreated)
        if told is None:
            return
        parent = told.info.parent_id
        if parent == self._session.session_id or parent in self._session.family:
            self._session.family.put(told.info.id, None)

    def _observe_own(self, event: Event) -> None:
        match event.type:
            case "message.updated":
                self._observe_message(event)
            case "session.error":
                self._observe_error(event)
            case "session.idle":
                self._idle = self._begun
            case "session.status":
                self._idle = self._idle and not self.took_up(event)

    def _observe_message(self, event: Event) -> None:
        told = shape(event, shapes.MessageUpdated)
        if told is None:
            return
        message = told.info
        if message.role == "user":
            if not self._begun and message.id not in self._session.messages:
                self._begun, self.message = True, message
            self._session.messages.put(message.id, None)
        elif self._begun and message.time is not None and message.time.completed is not None:
            self._observe_answer(message.error)

    def _observe_answer(self, error: shapes.Failure | None) -> None:
        """A whole answer of the model; an error before it has been overcome."""
        if error is None:
            self._answered, self._error = True, ""
        else:
            self._error = error.message

    def _observe_error(self, event: Event) -> None:
        told = shape(event, shapes.SessionError)
        failure = (told and told.error) or shapes.Failure()
        if self._begun or not failure.aborted:
            self._error = failure.message

    def _observe_any(self, event: Event) -> None:
        match event.type:
            case "permission.asked":
                if asked := shape(event, shapes.PermissionAsked):
                    self.pending_prompts.add(asked.id)
            case "permission.replied":
                if answered := shape(event, shapes.Replied):
                    self.pending_prompts.discard(answered.request_id)
            case "message.part.updated":
                told = shape(event, shapes.PartUpdated)
                if told is not None and told.part.type == "step-finish":
                    self._add(usage_of(told.part))

    def _add(self, used: Usage) -> None:
        self._usage = used if self._usage is None else self._usage + used
