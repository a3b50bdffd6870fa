"""Everything that can go wrong in the runtime.

RuntimeFault
+-- SettingsError       the environment is wrong; names the variable
+-- FolderBusy          another process holds the folder's lock
+-- JournalBroken       the journal cannot be opened, or is of a newer version
+-- JournalClosed       used after close
+-- Invalid             a command's field is wrong; names it
+-- Unsupported         the backend cannot do it; names the capability
|   +-- NoDiff          git is missing, or the workspace is too large for it
+-- GitFailed           git could not do it now
+-- Exhausted           too many unsettled turns, or the journal is full
+-- Closing             takes no new command any more
+-- NotDrained          takes no new command yet
+-- UnknownTurn         no such request_id
+-- UnknownPrompt       no such prompt_id
+-- Answered            the prompt has been answered already
+-- TooLate             the prompt waits for no answer any more
+-- Trimmed             rows from there on are not kept any more
+-- BackendUnusable     the CLI is missing, of a wrong version, or cannot start
+-- BackendCrashed      the CLI ended in mid-turn
+-- Refused             the CLI understood a call and did not accept it
+-- NotRecalled         the CLI does not tell now what it keeps of the conversation
"""


class RuntimeFault(Exception):
    """Root of the tree. `str(error)` is one sentence fit to be shown."""


class SettingsError(RuntimeFault):
    """An environment variable cannot be used."""


class FolderBusy(RuntimeFault):
    """Another runtime lives in this folder."""


class JournalBroken(RuntimeFault):
    """The journal cannot be used; the message says why."""


class JournalClosed(RuntimeFault):
    """The journal has been closed."""


class Invalid(RuntimeFault):
    """A command that can never be accepted; the message names the field."""


class Unsupported(RuntimeFault):
    """A command for which the backend lacks a capability."""

    def __init__(self, backend: str, capability: str) -> None:
        super().__init__(f"the backend {backend!r} cannot do this: it has no {str(capability)!r}")
        self.capability = capability


class NoDiff(Unsupported):
    """Changes of the workspace cannot be told here; the message says why."""

    def __init__(self, reason: str) -> None:
        RuntimeFault.__init__(self, reason)
        self.capability = "diff"


class GitFailed(RuntimeFault):
    """Git refused or was ended; `cut`: its answer was too long, `late`: it took too long."""

    def __init__(self, reason: str, *, cut: bool = False, late: bool = False) -> None:
        super().__init__(reason)
        self.cut = cut
        self.late = late


class Exhausted(RuntimeFault):
    """No room for another turn now."""


class Closing(RuntimeFault):
    """The runtime is going; another one may come."""


class NotDrained(RuntimeFault):
    """Commands that came before this one still wait outside the journal."""


class UnknownTurn(RuntimeFault):
    """The journal knows no turn of that request_id."""


class UnknownPrompt(RuntimeFault):
    """The backend never asked under that prompt_id, or so long ago that nothing is left of it."""


class Answered(RuntimeFault):
    """Another reply, or the policy, came first."""


class TooLate(RuntimeFault):
    """The prompt's time is up, or its turn has ended."""


class Trimmed(RuntimeFault):
    """The rows asked for are not kept any more."""


class BackendUnusable(RuntimeFault):
    """The backend cannot be used; the message says why and what would help."""


class BackendCrashed(RuntimeFault):
    """The CLI ended while it was needed; the message holds the end of its stderr."""


class Refused(RuntimeFault):
    """The CLI understood a call and did not accept it; the message is its own.

    Never leaves its backend: what it means for a turn, only that knows.
    """


class NotRecalled(RuntimeFault):
    """The CLI cannot be asked for its history now; `asleep`: it could, if it ran."""

    def __init__(self, reason: str, *, asleep: bool = False) -> None:
        super().__init__(reason)
        self.asleep = asleep
