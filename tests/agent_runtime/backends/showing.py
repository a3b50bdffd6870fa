"""What a backend with a model can do, shown with its real CLI: what is seen, not what is said."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message
from agent_runtime.backends.permission_mode import PermissionMode
from agent_runtime.backends.protocol import Backend
from agent_runtime.backends.recalled import Bookmarks
from agent_runtime.errors import BackendCrashed, Invalid
from agent_runtime.model import Kind, Outcome, TurnEnd
from tests.agent_runtime.backends.rigs import ModelRig
from tests.agent_runtime.backends.sink import ChoosingSink, RecordingSink
from tests.peers.stub_model import INPUT_TOKENS, OUTPUT_TOKENS, Reply, Say

_LIMIT_S = 60
_WORD = "MARMALADE"
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9h"
    "AAAAAElFTkSuQmCC"
)
FILES = {
    Capability.ATTACH_IMAGE: Attachment("a.png", "image/png", _PNG),
    Capability.ATTACH_PDF: Attachment("a.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n"),
    Capability.ATTACH_TEXT: Attachment("notes.md", "text/markdown", "Grüße vom 4711".encode()),
}


class Showing:
    """One backend, which is begun with what shows most of it, and ended with a resumption.

    What the runtime never asks it for, a file or a fork that it does not declare, is tried
    last, with a backend of its own: whatever comes of that, the others have been seen.
    """

    def __init__(self, rig: ModelRig) -> None:
        self._rig = rig
        self._backend = rig.make()
        self._seen: set[Capability] = set()
        self._first: Bookmarks | None = None

    async def show(self) -> frozenset[Capability]:
        """What has been seen."""
        async with self._running(self._backend):
            await self._words()
            await self._asks()
            await self._files()
            await self._models()
            await self._steering()
            session_id = await self._sessions()
        await self._resumption(session_id)
        await self._undeclared()
        return frozenset(self._seen)

    async def _words(self) -> None:
        sink, end = await self._say(Say("Hello.", think="Hm."), text=f"My word is {_WORD}.")
        self._note(Capability.REASONING, bool(sink.of(Kind.REASONING_DELTA)))
        usage = end.usage
        tokens = usage and (usage.input_tokens, usage.output_tokens)
        self._note(Capability.USAGE, tokens == (INPUT_TOKENS, OUTPUT_TOKENS))
        self._note(Capability.COST, bool(usage and usage.cost_usd))
        if sink.bookmarks:
            self._first = Bookmarks(sink.sessions[-1], (sink.bookmarks[-1],))

    async def _asks(self) -> None:
        sink, _ = await self._say(self._rig.run("touch made"), Say("Done."))
        made = (self._rig.place.workspace / "made").exists()
        self._note(Capability.PERMISSIONS, bool(sink.of(Kind.PERMISSION_ASKED)) and made)
        await self._permission_modes()
        sink, _ = await self._say(replace(self._rig.ask("Which?", "A", "B")), Say("Done."))
        answered = "B, as always" in self._rig.model.heard()
        self._note(Capability.QUESTIONS, bool(sink.of(Kind.QUESTION_ASKED)) and answered)

    async def _permission_modes(self) -> None:
        """Of one that asks nobody, and of one that asks, where nobody allows it."""
        made = []
        for mode in (PermissionMode.BYPASS, PermissionMode.DEFAULT):
            await self._backend.set_permission_mode(mode)
            path = self._rig.place.workspace / f"made-{mode}"
            await self._say(self._rig.run(f"touch {path.name}"), Say("Done."), mode=mode)
            made.append(path.exists())
        self._note(Capability.SET_PERMISSION_MODE, made == [True, False])

    async def _files(self) -> None:
        for capability, file in FILES.items():
            if capability in self._backend.capabilities:
                await self._say(Say("Seen."), files=(file,))
                self._note(capability, self._heard(file))

    def _heard(self, file: Attachment) -> bool:
        """Whether the model was shown it: a text as text."""
        is_text = file.needs is Capability.ATTACH_TEXT
        expected = file.data.decode() if is_text else base64.b64encode(file.data).decode()
        return expected in self._rig.model.heard()

    async def _models(self) -> None:
        try:
            await self._backend.set_model("nobody/knows-it")
        except Invalid as error:
            self._note(Capability.MODELS, self._rig.other_model in str(error))
        await self._backend.set_model(self._rig.other_model)
        await self._say(Say("Hello."))
        asked = self._rig.model.requests[-1]["model"]
        self._note(Capability.SET_MODEL, asked == self._rig.other_model.rpartition("/")[2])

    async def _steering(self) -> None:
        self._rig.script(Say("I look. " * 40, pause_s=0.05), Say("Steered."))
        sink = RecordingSink()
        prompt = asyncio.create_task(self._backend.prompt(Message("Look."), sink))
        await sink.until_said("I look.")
        taken = await self._backend.steer(Message("Look at 4712."))
        await asyncio.wait_for(prompt, _LIMIT_S)
        self._rig.model.forget()
        self._note(Capability.STEER, taken and "4712" in self._rig.model.heard())

    async def _sessions(self) -> str:
        """The session that knows the word."""
        sink, _ = await self._say(Say("Hello."))
        known = sink.sessions[-1]
        if Capability.FORK in self._backend.capabilities:
            knows, session_id = await self._another(fork=True)
            self._note(Capability.FORK, knows and session_id != known)
            known = session_id
        if Capability.NEW_SESSION in self._backend.capabilities:
            knows, session_id = await self._another(fork=False)
            self._note(Capability.NEW_SESSION, not knows and session_id != known)
        return known

    async def _another(self, *, fork: bool) -> tuple[bool, str]:
        """Whether it knows the word, and its id."""
        await self._backend.new_session(fork=fork)
        if not self._backend.running:
            await self._backend.start()
        sink, _ = await self._say(Say("Hello."))
        return _WORD in self._rig.model.heard(), sink.sessions[-1]

    async def _resumption(self, session_id: str) -> None:
        self._backend = self._rig.make_with(session_id=session_id)
        async with self._running(self._backend):
            sink, _ = await self._say(Say("Hello."))
            knows = _WORD in self._rig.model.heard() and sink.sessions == [session_id]
            self._note(Capability.RESUME, knows)
            await self._history()

    async def _history(self) -> None:
        """What was said first, told by a CLI that was started since."""
        if self._first is not None:
            told = await self._backend.recall(self._first)
            self._note(Capability.HISTORY, _WORD in told[self._first.places[0]].text)

    async def _undeclared(self) -> None:
        self._backend = self._rig.make()
        async with self._running(self._backend):
            await self._say(Say("Hello."), text=f"My word is {_WORD}.")
            declared = self._backend.capabilities
            if Capability.FORK not in declared:
                knows, _ = await self._another(fork=True)
                self._note(Capability.FORK, knows)
            for capability, file in FILES.items():
                if capability not in declared:
                    self._rig.script(Say("Seen."))
                    with suppress(BackendCrashed, ValueError, UnicodeError):
                        await self._backend.prompt(Message("Look.", (file,)), RecordingSink())
                    self._note(capability, self._heard(file))
                    self._rig.model.forget()
                    if not self._backend.running:
                        await self._backend.start()

    async def _say(
        self,
        *replies: Reply,
        text: str = "Go on.",
        files: tuple[Attachment, ...] = (),
        mode: PermissionMode = PermissionMode.BYPASS,
    ) -> tuple[RecordingSink, TurnEnd]:
        sink = ChoosingSink(("B, as always",), mode=mode)
        self._rig.script(*replies)
        end = await asyncio.wait_for(self._backend.prompt(Message(text, files), sink), _LIMIT_S)
        self._rig.model.forget()
        assert end.outcome is Outcome.COMPLETED, end.message
        return sink, end

    @asynccontextmanager
    async def _running(self, backend: Backend) -> AsyncIterator[None]:
        await backend.start()
        try:
            yield
        finally:
            await backend.stop()

    def _note(self, capability: Capability, seen: bool = True) -> None:
        if seen:
            self._seen.add(capability)
