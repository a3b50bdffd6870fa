"""How a test makes each kind of CLI do the same thing."""

import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.claude_code import ClaudeCodeBackend
from agent_runtime.backends.codex import CodexBackend
from agent_runtime.backends.command import CommandBackend
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.backends.protocol import Backend
from tests.agent_runtime.backends.place import Place
from tests.cli.install import prepare_home
from tests.peers.stub_model import (
    ANTHROPIC_MODEL,
    KEY,
    Call,
    Reply,
    Say,
    Stall,
    StubModel,
    claude_env,
    codex_config,
    opencode_config,
)


@dataclass
class Rig(ABC):
    """The methods that name a behaviour return the message that brings it about."""

    place: Place

    @abstractmethod
    def make(self) -> Backend: ...

    @abstractmethod
    def make_missing(self) -> Backend:
        """One whose CLI is not there. Raises BackendUnusable at the latest when started."""

    @abstractmethod
    def say(self, *texts: str) -> str:
        """Says each of these, in order."""

    @abstractmethod
    def stall(self, text: str) -> str:
        """Says this, then nothing, with a process in a session of its own where it can."""

    @abstractmethod
    def say_much(self, size: int) -> str:
        """Says this many times the letter x, without a newline."""


class CommandRig(Rig):
    def make(self) -> Backend:
        return CommandBackend.create(self.place.context())

    def make_missing(self) -> Backend:
        return CommandBackend.create(
            self.place.context(options={"FORGE_COMMAND": "no-such-command-here"})
        )

    def say(self, *texts: str) -> str:
        return "\n".join(f"printf '%s\\n' {shlex.quote(text)}" for text in texts)

    def stall(self, text: str) -> str:
        escape = "import os, time; os.setsid(); time.sleep(600)"
        escaped = f"{sys.executable} -c {shlex.quote(escape)} &"
        return f"{escaped}\necho {shlex.quote(text)}\nsleep 600"

    def say_much(self, size: int) -> str:
        return f"head -c {size} /dev/zero | tr '\\0' x"


@dataclass
class ModelRig(Rig):
    """A CLI of npm's, whose model is the stub."""

    kind: ClassVar[type[Backend]]
    option: ClassVar[str]
    """The setting that names its program."""
    first_model: ClassVar[str] = ""

    binary: Path
    model: StubModel

    def __post_init__(self) -> None:
        """Prepare the user's home."""

    @property
    def program(self) -> str:
        """What the option is set to."""
        return str(self.binary)

    @property
    @abstractmethod
    def env(self) -> Mapping[str, str]:
        """What its CLI needs in its environment."""

    def make(self) -> Backend:
        return self.make_with()

    def make_with(
        self, *, permission_mode: str = "acceptEdits", session_id: str = "", model: str = ""
    ) -> Backend:
        """With a session, as the next runtime would."""
        context = self.place.context(
            options={self.option: self.program},
            env=self.env,
            permission_mode=permission_mode,
            session_id=session_id,
            model=model or self.first_model,
        )
        return self.kind.create(context)

    def make_missing(self) -> Backend:
        return self.kind.create(self.place.context(options={self.option: "no-such-command-here"}))

    def say(self, *texts: str) -> str:
        return self.script(Say("".join(f"{text}\n" for text in texts)))

    def stall(self, text: str) -> str:
        return self.script(Stall(text))

    def say_much(self, size: int) -> str:
        return self.script(Say("x" * size, piece=size))

    def script(self, *replies: Reply) -> str:
        self.model.script(*replies)
        return "Do as you were told."

    other_model: ClassVar[str] = "other-model"
    """Another than the one that it begins with, which the stub answers for, too."""
    third_model: ClassVar[str] = "third-model"
    gone: ClassVar[str]
    """The id of a session that the CLI does not know."""
    ends_when_refused: ClassVar[bool] = False
    """Whether the CLI ends its turn when a tool is refused."""
    tools: ClassVar[Mapping[str, str]]
    """What each of the calls below is for, by the CLI's own name of the tool."""

    @abstractmethod
    def write(self, name: str, text: str) -> Call:
        """Writes one line into a file of the workspace."""

    @abstractmethod
    def run(self, command: str) -> Call: ...

    @abstractmethod
    def ask(self, question: str, *labels: str) -> Call: ...

    def call(self, tool: str, **arguments: object) -> str:
        """Calls a tool, then says that it is done."""
        return self.script(Call(tool, arguments), Say("Done."))


_MODELS = ("stub-model", "other-model", "third-model")


class OpenCodeRig(ModelRig):
    kind: ClassVar[type[Backend]] = OpenCodeBackend
    option = "FORGE_OPENCODE_BIN"
    other_model = "stub/other-model"
    third_model = "stub/third-model"
    gone = "ses_0000000000000000000000000000"
    tools: ClassVar[Mapping[str, str]] = {
        "edit": "write",
        "write": "write",
        "bash": "run",
        "question": "ask",
    }

    def __post_init__(self) -> None:
        prepare_home(self.place.users_home)

    @property
    def env(self) -> Mapping[str, str]:
        return {"OPENCODE_CONFIG_CONTENT": opencode_config(self.model.url, models=_MODELS)}

    def write(self, name: str, text: str) -> Call:
        path = self.place.workspace / name
        return Call("write", {"filePath": str(path), "content": f"{text}\n"})

    def run(self, command: str) -> Call:
        return Call("bash", {"command": command, "description": "run"})

    def ask(self, question: str, *labels: str) -> Call:
        options = [{"label": label, "description": label.lower()} for label in labels]
        asked = {"question": question, "header": "Pick", "options": options}
        return Call("question", {"questions": [asked]})


class ClaudeCodeRig(ModelRig):
    kind: ClassVar[type[Backend]] = ClaudeCodeBackend
    option = "FORGE_CLAUDE_CODE_BIN"
    first_model = ANTHROPIC_MODEL
    other_model = "claude-haiku-4-5"
    third_model = "claude-opus-4-5"
    gone = "00000000-0000-4000-8000-000000000000"
    tools: ClassVar[Mapping[str, str]] = {"Write": "write", "Bash": "run", "AskUserQuestion": "ask"}

    @property
    def env(self) -> Mapping[str, str]:
        return claude_env(self.model.root)

    def write(self, name: str, text: str) -> Call:
        path = self.place.workspace / name
        return Call("Write", {"file_path": str(path), "content": f"{text}\n"})

    def run(self, command: str) -> Call:
        return Call("Bash", {"command": command, "description": "run"})

    def ask(self, question: str, *labels: str) -> Call:
        options = [{"label": label, "description": label.lower()} for label in labels]
        asked = {"question": question, "header": "Pick", "options": options, "multiSelect": False}
        return Call("AskUserQuestion", {"questions": [asked]})


class CodexRig(ModelRig):
    kind: ClassVar[type[Backend]] = CodexBackend
    option = "FORGE_CODEX_BIN"
    gone = "01a1fa02-47d2-7b33-ac84-c0c530d1ead2"
    tools: ClassVar[Mapping[str, str]] = {"fileChange": "write", "commandExecution": "run"}

    def __post_init__(self) -> None:
        folder = self.place.users_home / ".codex"
        folder.mkdir()
        (folder / "config.toml").write_text(codex_config(self.model.url))

    @property
    def env(self) -> Mapping[str, str]:
        return {"OPENAI_API_KEY": KEY}

    def write(self, name: str, text: str) -> Call:
        patch = f"*** Begin Patch\n*** Add File: {name}\n+{text}\n*** End Patch"
        return Call("exec_command", {"cmd": f"apply_patch <<'EOF'\n{patch}\nEOF\n"})

    def run(self, command: str) -> Call:
        return Call("exec_command", {"cmd": command, "yield_time_ms": 30_000})

    def ask(self, question: str, *labels: str) -> Call:
        options = [{"label": label, "description": label.lower()} for label in labels]
        asked = {"id": "q1", "header": "Pick", "question": question, "options": options}
        return Call("request_user_input", {"questions": [asked]})


class AcpRig(OpenCodeRig):
    """`opencode acp`, which asks because its configuration says so."""

    kind: ClassVar[type[Backend]] = AcpBackend
    option = "FORGE_ACP_COMMAND"
    ends_when_refused = True
    tools: ClassVar[Mapping[str, str]] = {"edit": "write", "execute": "run"}

    @property
    def program(self) -> str:
        return shlex.join([str(self.binary), "acp"])

    @property
    def env(self) -> Mapping[str, str]:
        config = opencode_config(
            self.model.url, models=_MODELS, permission={"edit": "ask", "bash": "ask"}
        )
        return {"OPENCODE_CONFIG_CONTENT": config}
