"""Pages on which an agent talks to a model: the stub says what they show."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cli import install
from tests.peers.stub_model import Call, Reply, Say, Stall, opencode_config, stub_model

_COLOURS = {
    "question": "Which colour?",
    "header": "Colour",
    "options": [
        {"label": "Red", "description": "warm"},
        {"label": "Blue", "description": "cold"},
    ],
}
SCRIPTS: Mapping[str, tuple[Reply, ...]] = {
    "docs/conversation.md": (
        Call("bash", {"command": "cat setup.sh", "description": "Show setup.sh"}),
        Say("There is no setup.sh here."),
        Call("question", {"questions": [_COLOURS]}),
        Say("Blue it is."),
        Say("Three jars of marmalade."),
        Stall("One, two"),
        Say("Twelve in the kitchen."),
        Stall("Dark"),
        Call("write", {"filePath": "jars.txt", "content": "kitchen: 12\n"}),
        Say("Written down."),
    )
}


@asynccontextmanager
async def settings_of(page: str, folder: Path) -> AsyncIterator[dict[str, str]]:
    """What a gateway needs for that page. Raises install.Missing."""
    if page not in SCRIPTS:
        yield {}
        return
    binary = install.opencode()
    install.prepare_home(folder)
    async with stub_model() as model:
        model.script(*SCRIPTS[page])
        config = opencode_config(model.url)
        yield {"FORGE_OPENCODE_BIN": str(binary), "OPENCODE_CONFIG_CONTENT": config}
