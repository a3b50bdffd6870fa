"""A terminal: text streams in above the line in which the user types."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from itertools import takewhile
from typing import TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, to_formatted_text
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from rich.console import Console

from gateway.cli.chat.face import Hands, Left, Mark, Typed
from gateway.cli.chat.paper import Paper
from gateway.cli.chat.rows import rows
from gateway.cli.printable import printable
from gateway.cli.screen import PlainConsole

_FRAME_S = 0.04
"""Between two drawings: a model that says a word every millisecond does not keep us busy."""
_CLOCK_S = 1.0
_TYPED_AHEAD = 100
_LEAST = 4
_PASTES_AS_TYPED = "\x1b[?2004l"
_EXIT_TERMINATED = 143


class Terminal:
    """Standard input and output, which are a terminal.

    Finished lines scroll away as ordinary output; the open line, what goes on and
    the line that is typed are drawn below them and again whenever they change.
    """

    types_ahead = True

    def __init__(self, history: History) -> None:
        self._changed = asyncio.Event()
        self._paper = Paper(self._changed.set)
        self._console = PlainConsole(cast(TextIO, self._paper))
        self._lines: asyncio.Queue[Typed | None] = asyncio.Queue()
        """At most _TYPED_AHEAD, and None as the last one."""
        self._aside: Document | None = None
        self._hands: Hands | None = None
        self._mark = Mark()
        """As it was drawn last: what is typed is meant for what was seen."""
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            prompt_continuation="  ",
            history=history,
            key_bindings=self._keys(),
            erase_when_done=True,
            refresh_interval=_CLOCK_S,
            output=_Output(
                sys.stdout,
                _size,
                term=os.environ.get("TERM"),
                default_color_depth=ColorDepth.from_env(),
                enable_cpr=False,  # what it would tell is not needed, and some cannot answer
            ),
        )

    @property
    def console(self) -> Console:
        return self._console

    @contextlib.asynccontextmanager
    async def shown(self, hands: Hands) -> AsyncIterator[None]:
        self._hands = hands
        loop = asyncio.get_running_loop()
        typing = asyncio.create_task(self._type(), name="chat-line")
        drawing = asyncio.create_task(self._draw(), name="chat-drawing")
        loop.add_signal_handler(signal.SIGTERM, hands.leave, _EXIT_TERMINATED)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGTERM)
            drawing.cancel()
            self._end(typing)
            await asyncio.wait({drawing, typing})
            self._paper.finish()
            self._write(self._paper.take())
            self._session.app.output.write_raw(_PASTES_AS_TYPED)
            self._session.app.output.flush()
        if not typing.cancelled():
            typing.result()

    async def line(self) -> Typed:
        line = await self._lines.get()
        if line is None:
            raise Left
        return line

    def set_aside(self) -> None:
        buffer = self._session.default_buffer
        if buffer.text and self._aside is None:
            self._aside = buffer.document
        buffer.reset()

    def bring_back(self) -> None:
        if self._aside is not None and not self._session.default_buffer.text:
            self._session.default_buffer.document = self._aside
        self._aside = None

    def changed(self) -> None:
        self._changed.set()

    async def _type(self) -> None:
        """Until Ctrl-D, or until we end it."""
        try:
            await self._session.prompt_async()
        except EOFError:
            pass
        finally:
            self._lines.put_nowait(None)

    def _end(self, typing: "asyncio.Task[None]") -> None:
        """Whether it has begun, goes on, or is about to end by itself."""
        app = self._session.app
        if not app.is_running:
            typing.cancel()
        elif app.future is not None and not app.future.done():
            app.exit(result="")

    async def _draw(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._write(self._paper.take())
            self._session.app.invalidate()
            await asyncio.sleep(_FRAME_S)

    def _write(self, text: str) -> None:
        """Finished lines, in place of what is drawn, which is drawn again below them."""
        if not text:
            return
        app = self._session.app
        if app.is_running:
            app.renderer.erase()
        app.output.write_raw(text)
        app.output.flush()

    def _message(self) -> StyleAndTextTuples:
        """All that is drawn, up to where the user types."""
        assert self._hands is not None
        if not self._paper.has_finished:  # else it may be about what is not seen yet
            self._mark = self._hands.mark()
        mark = self._mark
        size = self._session.app.output.get_size()
        drawn: StyleAndTextTuples = []
        tail = to_formatted_text(ANSI(self._paper.open_line.expandtabs(8)))
        for row in rows(tail, size.columns)[-(size.rows // 2) :]:
            drawn += [*row, ("", "\n")]
        for line in mark.above[-(size.rows // 4) :]:
            drawn.append(("dim", f"{line[: size.columns - 1]}\n"))
        label = f"{mark.label} " if mark.label else ""
        return [*drawn, ("bold", f"{label}> ")]

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        keys.add("enter", filter=typing)(self._enter)
        keys.add("escape", "enter", filter=typing)(_newline)
        keys.add("c-j", filter=typing)(_newline)
        keys.add("tab", filter=typing)(self._tab)
        keys.add("c-c", filter=typing)(lambda _: self._ctrl_c())
        keys.add("<sigint>")(lambda _: self._ctrl_c())
        return keys

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if self._lines.qsize() >= _TYPED_AHEAD:
            return
        asked = self._mark.asked
        self._lines.put_nowait(Typed(buffer.text, asked))
        if buffer.text.strip() and not asked:
            buffer.append_to_history()
        buffer.reset()

    def _ctrl_c(self) -> None:
        """For the running turn; else for what is typed; else for us."""
        assert self._hands is not None
        buffer = self._session.default_buffer
        if buffer.text and not self._hands.mark().busy:
            buffer.reset()
        else:
            self._hands.press()

    def _tab(self, event: KeyPressEvent) -> None:
        """As far as all that could be meant have it in common; then they are shown."""
        assert self._hands is not None
        buffer = event.current_buffer
        before = buffer.document.text_before_cursor
        word = before.rpartition(" ")[2]
        found = self._hands.complete(before)
        common = _common(found)
        if len(common) > len(word):
            buffer.insert_text(common[len(word) :])
        elif len(found) > 1:
            self._console.out(printable("  ".join(found)), style="dim", highlight=False)


class _Output(Vt100_Output):
    """Pasted lines are known as such all the time.

    Else each drawing turns that off for a moment, and what is pasted just then is sent
    line by line.
    """

    def disable_bracketed_paste(self) -> None:
        """At the end only."""


def _size() -> Size:
    columns, lines = shutil.get_terminal_size()
    return Size(rows=max(lines, _LEAST), columns=max(columns, _LEAST))


def _common(words: Sequence[str]) -> str:
    """What all of them begin with."""
    if not words:
        return ""
    first, last = min(words), max(words)
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(character for character, _ in same)


def _newline(event: KeyPressEvent) -> None:
    event.current_buffer.newline(copy_margin=False)
