"""What every backend does that keeps one CLI running from prompt to prompt."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from agent_runtime.backends.binary import Installed
from agent_runtime.backends.message import Message
from agent_runtime.backends.models import explained
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import BackendContext, TurnSink
from agent_runtime.backends.recalled import Bookmarks, Recalled
from agent_runtime.backends.running import Interruptible, Running
from agent_runtime.backends.start_failure import NotStarted, version_at_fault
from agent_runtime.errors import BackendCrashed, BackendUnusable, NotRecalled, Refused
from agent_runtime.model import Code, Outcome, TurnEnd


class StartedCli(Protocol):
    """A CLI that was ready for prompts once."""

    @property
    def running(self) -> bool: ...

    async def epitaph(self) -> str:
        """How it ended, or that it lives, and the end of what it wrote to standard error."""
        ...

    async def end(self) -> None:
        """End all its processes. Idempotent."""
        ...


log = logging.getLogger(__name__)

C = TypeVar("C", bound=StartedCli)
P = TypeVar("P", bound=Interruptible)


class CliBackend(ABC, Generic[C, P]):
    """Owned by the task that runs turns. `interrupt` and `stop` may come from another.

    `called` is the CLI's name in messages; `installed`: the program, where only some
    versions of it are supported; which it is, it tells when it is started. A CLI that
    breaks down in mid-prompt is ended whole, and started anew for the next one. Which
    capabilities a backend has, and what is kept from one CLI to the next, is its own.
    """

    def __init__(
        self, called: str, context: BackendContext, installed: Installed | None = None
    ) -> None:
        PermissionMode.parse(context.permission_mode)
        self._called = called
        self._context = context
        self._installed = installed
        self._model = context.model
        self._cli: C | None = None
        self._running: Running[P] = Running()

    @abstractmethod
    async def _launch(self) -> C:
        """Raises BackendUnusable, also for a version that is not supported; NotStarted."""

    @abstractmethod
    async def _run(self, cli: C, message: Message, sink: TurnSink) -> TurnEnd:
        """One prompt. Raises Refused, BackendCrashed."""

    async def _known_models(self, cli: C) -> Sequence[str]:  # noqa: ARG002 - some list none
        """Those that the CLI lists, () for none. Asked for after a prompt that has failed.

        Raises Refused, BackendCrashed.
        """
        return ()

    @abstractmethod
    async def _begin_session(self, cli: C, *, fork: bool) -> str:
        """The id of another session. Raises Refused, BackendCrashed."""

    async def start(self) -> None:
        with self._running.entered():
            await self._end_cli()
            try:
                self._cli = await self._launch()
            except NotStarted as failure:
                await self._object(failure)
                raise

    @property
    def running(self) -> bool:
        return self._cli is not None and self._cli.running

    async def prompt(self, message: Message, sink: TurnSink) -> TurnEnd:
        cli = self._started()
        with self._running.entered():
            try:
                return await self._explained(cli, await self._attempt(cli, message, sink))
            except BackendCrashed as crash:
                return await self._crashed(cli, crash)

    async def interrupt(self) -> None:
        await self._running.interrupt()

    async def steer(self, message: Message) -> bool:  # noqa: ARG002 - most have no such capability
        return False

    async def new_session(self, *, fork: bool) -> str:
        try:
            return await self._begin_session(self._started(), fork=fork)
        except Refused as refused:
            raise BackendCrashed(str(refused)) from refused

    async def recall(self, wanted: Bookmarks) -> Mapping[str, Recalled]:
        if self._cli is None or not self.running:
            raise NotRecalled(f"{self._called} is not running", asleep=True)
        try:
            return await self._recall(self._cli, wanted)
        except Refused as refused:
            raise NotRecalled(str(refused)) from refused

    async def _recall(self, cli: C, wanted: Bookmarks) -> Mapping[str, Recalled]:  # noqa: ARG002 - not all have such a capability
        """Raises NotRecalled, Refused, BackendCrashed."""
        return {}

    def check_model(self, model: str) -> None:
        """Most list none: whether there is such a model, only the provider knows."""

    async def set_model(self, model: str) -> None:
        self.check_model(model)
        self._model = model

    async def set_permission_mode(self, mode: str) -> None:
        """The runtime's own part answers by it; the CLI always asks."""
        PermissionMode.parse(mode)

    async def stop(self) -> None:
        self._running.halt()
        await self._end_cli()

    def _started(self) -> C:
        if self._cli is None:
            raise BackendCrashed(f"{self._called} is not running")
        return self._cli

    async def _attempt(self, cli: C, message: Message, sink: TurnSink) -> TurnEnd:
        try:
            return await self._run(cli, message, sink)
        except Refused as refused:
            return TurnEnd(outcome=Outcome.FAILED, code=Code.PROMPT_ERROR, message=str(refused))

    async def _explained(self, cli: C, end: TurnEnd) -> TurnEnd:
        if end.outcome is not Outcome.FAILED or not self._model:
            return end
        try:
            return explained(end, self._model, await self._known_models(cli))
        except (Refused, BackendCrashed) as error:
            log.info("models_not_told", extra={"reason": str(error)})
            return end

    async def _object(self, failure: NotStarted) -> None:
        """Raises BackendUnusable if it is the version that failed; not for one that was ended."""
        if self._installed is None or self._running.halted:
            return
        if fault := await version_at_fault(self._installed, self._context):
            raise BackendUnusable(fault) from failure

    async def _crashed(self, cli: C, crash: BackendCrashed) -> TurnEnd:
        """Whatever is left of it is in an unknown state, so it goes."""
        epitaph = await cli.epitaph()
        await self._end_cli()
        if self._running.halted:
            return TurnEnd(outcome=Outcome.INTERRUPTED)
        raise BackendCrashed(f"{crash}; {epitaph}") from crash

    async def _end_cli(self) -> None:
        cli, self._cli = self._cli, None
        if cli is not None:
            await cli.end()
