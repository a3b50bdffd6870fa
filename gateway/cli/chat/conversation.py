"""One conversation, from the greeting until the user leaves."""

import asyncio
import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.cli.api import JSON, Api
from gateway.cli.chat.asking import Asking
from gateway.cli.chat.commands import Commands
from gateway.cli.chat.errands import Errands
from gateway.cli.chat.face import Face, Hands, Left, Mark, Typed
from gateway.cli.chat.outgoing import Outgoing
from gateway.cli.chat.past import said
from gateway.cli.chat.tools import Tools
from gateway.cli.chat.turns import OpenTurns, Purpose
from gateway.cli.chat.view import View
from gateway.cli.ctrl_c import EXIT_STATUS
from gateway.cli.errors import Refused, Trouble
from gateway.cli.follower import Follower
from gateway.cli.printable import one_line
from gateway.cli.transcript import Transcript

_SIDE_BY_SIDE = 128


class Conversation:
    """One task follows the agent's events, another takes what is typed; `run` owns both.

    They share one event loop, and what is shared is touched between awaits only.
    """

    def __init__(self, api: Api, agent_id: str, face: Face) -> None:
        self._api = api
        self._agent_id = agent_id
        self._face = face
        self._paper = Transcript(face.console, named=False)
        self._turns = OpenTurns()
        self._tools = Tools()
        self._errands = Errands(self._tell)
        self._asking = Asking(
            api,
            agent_id,
            face=face,
            paper=self._paper,
            turns=self._turns,
            errands=self._errands,
            changed=self._changed,
        )
        self._outgoing = Outgoing(api, agent_id, paper=self._paper, turns=self._turns)
        self._commands = Commands(
            api,
            agent_id,
            outgoing=self._outgoing,
            paper=self._paper,
            leave=self._leave,
            columns=lambda: face.console.width,
        )
        self._left: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ready = asyncio.Event()
        """Nothing runs, or what runs waits for an answer."""
        self._handling: asyncio.Task[None] | None = None
        self._pressed: str | None = None
        """The turn that ran when Ctrl-C was pressed, "" for none; None: it was not."""
        self._lost = ""
        """Why there is no stream of events now."""

    async def run(self) -> int:
        """The exit status. Raises Trouble where there is no such agent, or not any more."""
        agent = await self._api.get_agent(self._agent_id)
        after = self._catch_up(await self._api.newest_turns(self._agent_id))
        hands = Hands(self._mark, self._press, self._leave, self._commands.complete)
        async with self._face.shown(hands):
            self._greet(agent)
            tasks = [
                asyncio.create_task(self._follow(after), name="chat-events"),
                asyncio.create_task(self._take_lines(), name="chat-lines"),
            ]
            try:
                ends: list[asyncio.Future[Any]] = [*tasks, self._left]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                await self._errands.close()
            for task in tasks:
                if not task.cancelled():
                    task.result()
            self._say_goodbye()
        return self._left.result()

    def _catch_up(self, turns: Sequence[JSON]) -> int:
        """The seq from which on events are shown: the running turn is shown from its start."""
        running = [turn for turn in turns if turn.get("state") != "ended"]
        for turn in running[-_SIDE_BY_SIDE:]:
            self._turns.open(str(turn["request_id"]), Purpose.ELSEWHERE)
        firsts = [int(turn["first_seq"]) for turn in running if turn.get("first_seq")]
        return min(firsts) - 1 if firsts else _latest(turns)

    def _greet(self, agent: JSON) -> None:
        names = ("backend", "current_model", "permission_mode")
        about = " · ".join(str(agent[name]) for name in names if agent.get(name))
        self._paper.note(f"{self._agent_id} · {about}", "bold")
        self._paper.note("type a message; /help lists what else there is", "dim")
        self._changed()

    def _say_goodbye(self) -> None:
        if self._turns.running is not None:
            self._paper.note(f"what runs goes on; forge chat {self._agent_id} shows it", "dim")

    # What comes.

    async def _follow(self, after: int) -> None:
        view = View(
            paper=self._paper,
            turns=self._turns,
            asking=self._asking,
            tools=self._tools,
            changed=self._changed,
        )
        while True:
            follower = Follower(
                self._api,
                self._agent_id,
                screen=view,
                after=after,
                patience_s=math.inf,
                broken=self._broke,
                opened=self._opened,
            )
            try:
                await follower.run()
            except Refused as refused:
                if refused.code != "gone":
                    raise
                self._tell(refused)
                after = self._skip_to(await self._api.newest_turns(self._agent_id))

    def _skip_to(self, turns: Sequence[JSON]) -> int:
        """The newest seq. Of what has ended before it no final will come."""
        for turn in turns:
            request_id = str(turn["request_id"])
            if turn.get("state") == "ended" and self._turns.of(request_id) is not None:
                self._paper.note(
                    f"── turn {request_id} has ended meanwhile: {turn.get('outcome')}", "dim"
                )
                self._tools.ended(request_id)
                self._asking.ended(request_id)
                self._turns.close(request_id)
        self._changed()
        return _latest(turns)

    def _broke(self, trouble: Trouble) -> None:
        self._lost = f"reconnecting: {trouble.format_message()}"
        if not self._face.types_ahead:  # nobody sees the mark
            self._paper.note(self._lost, "yellow")
        self._changed()

    def _opened(self) -> None:
        if self._lost:
            self._lost = ""
            self._changed()

    # What is typed.

    async def _take_lines(self) -> None:
        while True:
            if not self._face.types_ahead:
                await self._ready.wait()
            try:
                typed = await self._face.line()
            except Left:
                self._leave(0)
                return
            self._pressed = None
            if typed.text.strip():
                self._paper.block(said(typed.text.strip()), "bold")
                with self._telling():
                    self._handling = asyncio.create_task(self._handle(typed), name="chat-line")
                    await self._handling
            self._handling = None
            self._changed()

    async def _handle(self, typed: Typed) -> None:
        text = typed.text.strip()
        if typed.text.startswith("/"):
            await self._commands.run(text)
        elif typed.asked:
            await self._asking.answer(typed.asked, text)
        else:
            await self._outgoing.message(text)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """What goes wrong with a line ends neither the conversation nor what is typed next."""
        try:
            yield
        except Trouble as trouble:
            self._tell(trouble)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._paper.note("given up; whether it has arrived is not known", "yellow")

    def _press(self) -> None:
        """Ctrl-C: for what is being sent, for the running turn, and, again, for us."""
        running = self._turns.running
        turn = running.request_id if running is not None else ""
        if self._pressed == turn:
            self._leave(EXIT_STATUS)
            return
        self._pressed = turn
        if self._handling is not None:
            self._handling.cancel()
        elif running is not None:
            self._paper.note("interrupting; Ctrl-C again leaves", "yellow")
            self._errands.begin("interrupt", self._outgoing.interrupt())
        else:
            self._paper.note("Ctrl-C again leaves, as Ctrl-D does", "yellow")
        self._changed()

    def _leave(self, status: int) -> None:
        if not self._left.done():
            self._left.set_result(status)

    # What is shown of both.

    def _mark(self) -> Mark:
        above = [self._lost] if self._lost else []
        above += self._tools.at_work
        running = self._turns.running
        if running is not None:
            waiting = len(self._turns.waiting) - 1
            more = f" · {waiting} waiting" if waiting else ""
            above.append(f"{self._turns.running_s():.0f} s{more} · Ctrl-C interrupts")
        if self._outgoing.files:
            above.append(f"{self._outgoing.files} attached")
        return Mark(
            above=[one_line(line, limit=200) for line in above],
            asked=self._asking.current,
            label=self._asking.label,
            busy=running is not None,
        )

    def _changed(self) -> None:
        if self._turns.running is None or self._asking.current:
            self._ready.set()
        else:
            self._ready.clear()
        self._face.changed()

    def _tell(self, trouble: Trouble) -> None:
        self._paper.block(f"✗ {trouble.format_message()}", "red")
        self._changed()


def _latest(turns: Sequence[JSON]) -> int:
    """The seq of the newest event there is."""
    return max((int(turn.get("last_seq", 0)) for turn in turns), default=0)
