"""Lines that begin with a slash."""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.api import Api
from gateway.cli.chat.outgoing import Outgoing
from gateway.cli.chat.past import show_past
from gateway.cli.difflines import notes, styled
from gateway.cli.errors import Trouble
from gateway.cli.printable import printable
from gateway.cli.transcript import Transcript

MODES = ("default", "acceptEdits", "bypassPermissions")
_MESSAGES = 10
_MOST_MESSAGES = 200
_MOST_NAMES = 200
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Command:
    """`run` gets what stands behind the name."""

    name: str
    argument: str
    what: str
    run: Callable[[str], Awaitable[None]]


class Commands:
    """What can be done beside talking. `leave` ends the conversation.

    `columns`: of the terminal, now.
    """

    def __init__(
        self,
        api: Api,
        agent_id: str,
        *,
        outgoing: Outgoing,
        paper: Transcript,
        leave: Callable[[int], None],
        columns: Callable[[], int],
    ) -> None:
        self._api = api
        self._agent_id = agent_id
        self._outgoing = outgoing
        self._paper = paper
        self._leave = leave
        self._columns = columns
        told: Sequence[tuple[str, str, str, Callable[[str], Awaitable[None]]]] = (
            ("/help", "", "this list", self._help),
            ("/now", "TEXT", "say it into the running turn, or in its place", self._now),
            ("/interrupt", "", "end the running turn (Ctrl-C)", self._interrupt),
            ("/attach", "FILE", "an image, PDF or text for the next message", self._attach),
            ("/detach", "", "forget what was attached", self._detach),
            ("/model", "[NAME]", "show the model, or set it for the next message on", self._model),
            ("/mode", "[MODE]", f"the permission mode: {', '.join(MODES)}", self._mode),
            ("/history", "[N]", f"the last N messages (else {_MESSAGES})", self._history),
            ("/diff", "[TURN]", "what has changed in the workspace, or in a turn", self._diff),
            ("/new", "", "begin a fresh conversation in the same workspace", self._new),
            ("/quit", "", "leave (Ctrl-D); what runs goes on", self._quit),
        )
        self._commands = {each[0]: Command(*each) for each in told}

    async def run(self, line: str) -> None:
        """Raises Trouble."""
        name, _, argument = line.strip().partition(" ")
        command = self._commands.get(name)
        if command is None:
            raise Trouble(
                f"there is no {name}; /help lists what there is. "
                "A message that begins with / needs a space before it"
            )
        argument = argument.strip()
        if argument and not command.argument:
            raise Trouble(f"{name} takes nothing behind it")
        if not argument and command.argument and not command.argument.startswith("["):
            raise Trouble(f"{name} {command.argument}: {command.what}")
        await command.run(argument)

    def complete(self, before: str) -> Sequence[str]:
        """What the last word could become."""
        name, space, rest = before.partition(" ")
        if not space:
            return [each for each in self._commands if name and each.startswith(name)]
        if name == "/mode":
            return [mode for mode in MODES if mode.startswith(rest)]
        return _paths(rest) if name == "/attach" else []

    async def _help(self, _: str) -> None:
        names = {f"{each.name} {each.argument}": each.what for each in self._commands.values()}
        width = max(map(len, names))
        if width + max(map(len, names.values())) < self._columns():
            lines = [f"{name:<{width}}  {what}" for name, what in names.items()]
        else:
            lines = [f"{name}\n  {what}" for name, what in names.items()]
        keys = "Enter sends, Alt-Enter begins another line, Tab completes, ↑ and ↓ go back."
        self._paper.block("\n".join([*lines, keys]), "dim")

    async def _now(self, text: str) -> None:
        await self._outgoing.message(text, now=True)

    async def _interrupt(self, _: str) -> None:
        await self._outgoing.interrupt()

    async def _attach(self, path: str) -> None:
        self._outgoing.attach(path)

    async def _detach(self, _: str) -> None:
        self._outgoing.detach()

    async def _model(self, name: str) -> None:
        await self._change("model", name, shown="current_model")

    async def _mode(self, mode: str) -> None:
        await self._change("permission_mode", mode, shown="permission_mode")

    async def _change(self, field: str, value: str, *, shown: str) -> None:
        if value:
            agent = await self._api.change_agent(self._agent_id, {field: value})
        else:
            agent = await self._api.get_agent(self._agent_id)
        words = "from the next message on: " if value else ""
        self._paper.note(f"{words}{agent.get(shown) or 'what the CLI chooses'}", "dim")

    async def _history(self, count: str) -> None:
        if count and not (count.isdecimal() and 0 < int(count) <= _MOST_MESSAGES):
            raise Trouble(f"/history takes a number up to {_MOST_MESSAGES}")
        limit = int(count) if count else _MESSAGES
        messages = await self._api.list_messages(self._agent_id, limit=limit)
        if not messages:
            self._paper.note("nothing was said yet", "dim")
        show_past(messages, self._paper)

    async def _diff(self, turn: str) -> None:
        told = await self._api.get_diff(self._agent_id, turn=turn)
        lines = list(styled(printable(str(told["diff"]))))
        for line, style in lines[:_MOST_LINES]:
            self._paper.block(line, style or "")
        if len(lines) > _MOST_LINES:
            self._paper.note(
                f"… and {len(lines) - _MOST_LINES:,} more lines; forge diff shows all", "dim"
            )
        for note in notes(told):
            self._paper.note(note, "dim")

    async def _new(self, _: str) -> None:
        await self._outgoing.new_session()

    async def _quit(self, _: str) -> None:
        self._leave(0)


def _paths(typed: str) -> Sequence[str]:
    """Files and folders that begin so, as they would be typed."""
    folder, name = os.path.split(typed)
    try:
        entries = sorted(Path(folder or ".").expanduser().iterdir())[:_MOST_NAMES]
    except OSError:
        return []
    found = [entry for entry in entries if entry.name.startswith(name)]
    ends = (f"{entry.name}/" if entry.is_dir() else entry.name for entry in found)
    return [str(Path(folder) / end) + ("/" if end.endswith("/") else "") for end in ends]
