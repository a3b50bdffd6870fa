"""Everything that can go wrong here, as callers see it.

    GatewayError
    +-- SettingsError        the environment is wrong; names the variable
    +-- BadRequest           the caller's input is wrong; names the field
    |   +-- UnknownBackend
    +-- Unsupported          the agent's backend cannot do it; names the capability
    +-- NotFound             no such agent (or not the caller's), no such turn
    +-- Gone                 the events asked for are not kept any more
    +-- Conflict             the request_id stands for other content; it is answered already
    +-- Exhausted            the agent takes no more for now; retry_after_s
    +-- Unavailable          the agent cannot be reached now; retry_after_s
    |   +-- StartFailed      it could not be made or started; nothing is left
    +-- SealBroken           a ticket that no gateway key opens, or of another turn
    +-- KeyringError         the gateway keys cannot be read or written

Adapters raise these and chain the foreign exception as `__cause__`; messages are
for people, name what would be right, and never hold a secret. `gateway.http`
alone knows which status each becomes.
"""


class GatewayError(Exception):
    """Root of the tree. `str(error)` is one sentence fit to be shown."""


class SettingsError(GatewayError):
    """An environment variable cannot be used."""


class BadRequest(GatewayError):
    """Input that can never work; the message names the field and the right form."""


class UnknownBackend(BadRequest):
    """No backend of that name is installed."""


class Unsupported(GatewayError):
    """The agent's backend lacks what this needs; the message names the capability."""


class NotFound(GatewayError):
    """No such thing, or it belongs to somebody else."""


class Gone(GatewayError):
    """It was there, and is not kept any more."""


class Conflict(GatewayError):
    """The same id was used for something else."""


class Exhausted(GatewayError):
    """The agent's queue or journal is full."""

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(GatewayError):
    """The agent does not answer now; repeating the same request is safe."""

    def __init__(self, message: str, *, retry_after_s: int = 3) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StartFailed(Unavailable):
    """An agent could not be started; the message says why, in words."""


class SealBroken(GatewayError):
    """A ticket that cannot be opened for this turn."""


class KeyringError(GatewayError):
    """The gateway keys cannot be used; the message names the file."""
