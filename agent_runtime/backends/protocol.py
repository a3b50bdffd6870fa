"""What the runtime wants of a backend. tests/agent_runtime/backends holds the contract suite."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, Self

from agent_runtime.backends.asks import (
    Pending,
    PermissionAnswer,
    PermissionAsk,
    QuestionAnswer,
    QuestionAsk,
)
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Message
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.model import BackendEvent, TurnEnd
from agent_runtime.processes import Processes


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendContext:
    """What a backend is made with.

    Attributes:
        workspace: folder the CLI works in; exists.
        home: folder for the CLI's own state, kept as long as the journal; exists.
        env: the environment the CLI may see (and nothing else of ours); in a pod, where the
            user's home is read-only, its HOME is `home`.
        options: the backend's own settings: the runtime's variables that begin with
            FORGE_ and the backend's name in capitals, such as FORGE_COMMAND.
        model: "" for the CLI's own default.
        permission_mode: "default", "acceptEdits" or "bypassPermissions".
        session_id: the session of the previous runtime, "" for none.
        processes: the only way to start a process.
    """

    workspace: Path
    home: Path
    env: Mapping[str, str] = field(repr=False)
    options: Mapping[str, str]
    model: str
    permission_mode: str
    session_id: str
    processes: Processes


@dataclass(frozen=True, slots=True)
class Usability:
    """Whether a backend could run here, for `doctor` and `demo`.

    `detail`: the version found, or what is missing and what would help.
    """

    usable: bool
    detail: str


class TurnSink(Protocol):
    """Where a backend puts what happens during one prompt."""

    async def emit(self, event: BackendEvent) -> None:
        """Journal an event. Waits while the journal has no room: then read no further."""
        ...

    async def session(self, session_id: str) -> None:
        """Record the CLI's session, so that the next runtime can resume it."""
        ...

    async def bookmark(self, place: str) -> None:
        """Record where the CLI's own history of the session has this prompt.

        In the backend's own words, for `Backend.recall`; after `session`, once a prompt.
        """
        ...

    async def permission(
        self, event: BackendEvent, ask: PermissionAsk
    ) -> Pending[PermissionAnswer]:
        """Journal the permission.asked event, as `emit`, and the prompt in the same commit.

        So whoever reads the event can answer. What the policy, the permission mode or
        the user decides may take minutes, in which the CLI's events must be read on, and
        others may be asked for (`open_asks`). An interrupt answers with a rejection, at
        once. The CLI is told by whoever called; then a permission.answered event follows,
        made from the JSON that the CLI was given where the CLI itself says nothing of it.
        """
        ...

    async def question(self, event: BackendEvent, ask: QuestionAsk) -> Pending[QuestionAnswer]:
        """The same with a question.asked event; what the user answers."""
        ...


class Backend(Protocol):
    """Drives one CLI. One task at a time calls start/prompt/stop; the other methods
    may be called by another task meanwhile."""

    name: ClassVar[str]

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do. May become less when the CLI has told, which `start` makes it do."""
        ...

    @classmethod
    def probe(cls, env: Mapping[str, str]) -> Usability:
        """Look, without starting anything that stays, whether it could run here."""
        ...

    @classmethod
    def create(cls, context: BackendContext) -> Self:
        """Make one; nothing is started yet. Raises BackendUnusable for wrong settings."""
        ...

    async def start(self) -> None:
        """Make the CLI ready for prompts; called before a prompt whenever `running` is False.

        Raises:
            BackendUnusable: it cannot run here; the message says what would help.
        """
        ...

    @property
    def running(self) -> bool:
        """Whether a prompt can be sent without `start`."""
        ...

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        """Run one prompt to its end, every event through the sink, in order.

        Never raises for what the CLI or the model does: that is a TurnEnd.

        Raises:
            BackendCrashed: the CLI ended before the prompt did.
        """
        ...

    async def interrupt(self) -> None:
        """Make the running prompt end soon with INTERRUPTED. Nothing when none runs."""
        ...

    async def steer(self, message: Message) -> bool:
        """Take a message into the running prompt; False when none runs (any more).

        Called only with the capability `steer`. Raises BackendCrashed.
        """
        ...

    async def new_session(self, *, fork: bool) -> str:
        """Another conversation from the next prompt on, which begins empty, or as this one.

        Called instead of a prompt, only with the capabilities `new_session` and `fork`;
        the id is "" where the CLI gives it with the next prompt.

        Raises:
            BackendCrashed: the CLI ended, or did not do it.
        """
        ...

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        """What the CLI has kept of these prompts, by place.

        Called only with the capability `history`, at any time, also while a prompt runs,
        which must not notice. What the CLI does not have, or what is too much
        (`recalled.MAX_BYTES`), is left out.

        Raises:
            NotRecalled, BackendCrashed: it does not tell now.
        """
        ...

    def check_model(self, model: str) -> None:
        """Whether `set_model` may come with it; as far as is known without asking the CLI.

        Raises:
            Invalid: the form is wrong, or the CLI lists its models and this is none of
                them; names those that are like it.
        """
        ...

    async def set_model(self, model: str) -> None:
        """In effect from the next prompt. Raises Invalid as `check_model`."""
        ...

    async def set_permission_mode(self, mode: str) -> None:
        """In effect from the next prompt at the latest. Raises Invalid for unknown modes."""
        ...

    def merge(self, first: BackendEvent, second: BackendEvent) -> BackendEvent | None:
        """One event in place of two neighbouring deltas of the same kind.

        None when they are not of the same part, or say more than text. Its JSON is what
        the CLI would have said had it said both at once.
        """
        ...

    async def stop(self) -> None:
        """End every process of the CLI, whole groups; a running prompt then ends. Idempotent."""
        ...
