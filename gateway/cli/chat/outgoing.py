"""What the user sends: messages with their files, interrupts, fresh conversations."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_delay,
    wait_random,
)

from gateway.cli.api import JSON, Api
from gateway.cli.chat.turns import OpenTurns, Purpose, new_request_id
from gateway.cli.errors import Trouble
from gateway.cli.follower import may_pass
from gateway.cli.localfile import LocalFile, read_file, wire_of
from gateway.cli.transcript import Transcript

_PATIENCE_S = 60.0
_MOST_FILES = 32

_Call = Callable[[str, Mapping[str, object]], Coroutine[Any, Any, JSON]]
"""Of the gateway's API: an agent's id, and what is sent to it."""


class Outgoing:
    """Event loop only, one call after the other but for `interrupt`."""

    def __init__(self, api: Api, agent_id: str, *, paper: Transcript, turns: OpenTurns) -> None:
        self._api = api
        self._agent_id = agent_id
        self._paper = paper
        self._turns = turns
        self._files: list[LocalFile] = []

    @property
    def files(self) -> int:
        """How many go along with the next message."""
        return len(self._files)

    def attach(self, path: str) -> None:
        """Raises Trouble."""
        if len(self._files) >= _MOST_FILES:
            raise Trouble(f"{_MOST_FILES} files are attached; send them first")
        file = read_file(Path(path).expanduser())
        self._files.append(file)
        self._paper.note(f"attached {file.told}; it goes along with the next message", "dim")

    def detach(self) -> None:
        """What was attached does not go along."""
        self._files.clear()
        self._paper.note("nothing is attached", "dim")

    async def message(self, content: str, *, now: bool = False) -> None:
        """Raises Trouble where it was not taken; the files then wait for another one."""
        message = {"content": content, **wire_of(self._files), **({"when": "now"} if now else {})}
        purpose = Purpose.NOW if now else Purpose.MESSAGE
        try:
            await self._send(self._api.send, message, purpose, said=content)
        except Trouble as trouble:
            if not self._files:
                raise
            hint = f"{len(self._files)} still attached; /detach forgets them"
            raise Trouble(f"{trouble.message}\n  {hint}") from trouble
        self._files.clear()

    async def new_session(self) -> None:
        """Raises Trouble."""
        await self._send(self._api.new_session, {}, Purpose.SESSION, said="a fresh conversation")

    async def interrupt(self) -> None:
        """The running turn. Raises Trouble."""
        running = self._turns.running
        target = running.request_id if running is not None and running.spoke else ""
        request_id = new_request_id()
        self._turns.open(request_id, Purpose.ORDER)
        await self._api.interrupt(self._agent_id, {"target": target, "request_id": request_id})

    async def _send(
        self, call: _Call, body: Mapping[str, object], purpose: Purpose, *, said: str
    ) -> None:
        """Under one name, so that it can be repeated until a gateway has taken it."""
        request_id = new_request_id()
        before = len(self._turns.waiting)
        self._turns.open(request_id, purpose, said=said)
        if not before:
            self._paper.started((self._agent_id, request_id))
        try:
            await _patiently(self._paper)(call, self._agent_id, {**body, "request_id": request_id})
        except BaseException:
            self._turns.close(request_id)
            raise
        if before and purpose is not Purpose.NOW and self._turns.of(request_id) is not None:
            others = f"{before} turns before it" if before > 1 else "a turn before it"
            self._paper.note(f"── queued: {others}", "dim")


def _patiently(paper: Transcript) -> AsyncRetrying:
    """For a gateway that is being replaced."""

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        if state.attempt_number == 1 and isinstance(error, Trouble):
            paper.note("not sent yet; trying for a minute, Ctrl-C gives up", "yellow")
            paper.note(f"  {error.format_message()}", "yellow")

    return AsyncRetrying(
        retry=retry_if_exception(may_pass),
        stop=stop_after_delay(_PATIENCE_S),
        wait=wait_random(0.1, 1.0),
        before_sleep=tell,
        reraise=True,
    )
