"""What the gateway wants of a launcher. tests/gateway/launchers holds the contract suite."""

from collections.abc import Sequence
from typing import Protocol

from gateway.launchers.notes import Notes
from gateway.model import Agent, AgentSpec


class Launcher(Protocol):
    """Makes, finds and removes agents; several gateways may use the same agents at once.

    All methods are called from one event loop. Apart from `start` and `close`,
    which are called once each, they may run side by side.
    """

    @property
    def nudge_bind(self) -> str:
        """The gRPC address on which this gateway must serve nudges, valid after `start`."""
        ...

    @property
    def notes(self) -> Notes | None:
        """Where turns are written down that may outlive their agent; None where none can."""
        ...

    async def start(self) -> None:
        """Adopt the agents that exist and begin to look after them.

        Raises:
            StartFailed: the place where agents live cannot be used; says why.
        """
        ...

    async def close(self) -> None:
        """Stop looking after agents; the agents themselves go on."""
        ...

    async def create(self, spec: AgentSpec, *, wait_s: float) -> Agent:
        """Make an agent; wait until it answers, at most `wait_s`; 0 answers at once.

        Raises:
            Conflict: the agent_id exists.
            UnknownBackend: no backend of that name.
            Unsupported: a policy, of a backend that never asks.
            StartFailed: it cannot be made or was not ready in time; nothing is left behind.
        """
        ...

    async def get(self, agent_id: str) -> Agent:
        """From the cache; one bounded live look-up on a miss.

        Raises:
            NotFound: there is none, or it has been deleted.
            Unavailable: it cannot be told now.
        """
        ...

    async def list(self, user_id: str | None = None) -> Sequence[Agent]:
        """All agents (of that owner), oldest first; deleted ones are not in it.

        Raises:
            Unavailable: they cannot be listed now.
        """
        ...

    async def reach(self, agent_id: str, *, timeout_s: float) -> str:
        """The gRPC target of a runtime that is up; starts it when it is not running.

        Deleted agents that still have something to deliver are reachable too.

        Raises:
            NotFound: there is none.
            Unavailable: not up within `timeout_s`; says why.
        """
        ...

    async def delete(self, agent_id: str) -> None:
        """Make the deletion durable: from now on `get` and `list` do not know it.

        The caller then tells the runtime to retire; what the agent keeps is
        removed once it has delivered everything and ended.

        Raises:
            NotFound: there is none, or it has been deleted.
        """
        ...

    async def retired(self, agent_id: str) -> None:
        """A deleted agent's runtime has been told to retire, or could not be told.

        It may go on to deliver for as long as the launcher lets it. Who deleted it calls
        this; where that gateway dies before, another one sees to it.

        Raises:
            Unavailable: it could not be done now; it will be.
        """
        ...
