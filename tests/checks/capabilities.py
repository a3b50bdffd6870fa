"""The README's table of what each backend can do, made of what the backends declare.

That they declare what they can do, and nothing else, is shown with the real CLIs
(tests/agent_runtime/backends/test_capabilities.py).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from agent_runtime.backends import registry
from agent_runtime.backends.acp import AcpBackend
from agent_runtime.backends.acp.abilities import ALWAYS, PERHAPS
from agent_runtime.backends.capability import Capability

README = Path(__file__).parents[2] / "README.md"
_PLACE = re.compile(
    r"(?<=<!-- capabilities: made by make docs -->\n).*?(?=<!-- /capabilities -->)", re.DOTALL
)
_WORDS = {
    Capability.PERMISSIONS: "asks before it acts",
    Capability.QUESTIONS: "asks the user",
    Capability.ATTACH_IMAGE: "takes images",
    Capability.ATTACH_PDF: "takes PDF",
    Capability.ATTACH_TEXT: "takes texts",
    Capability.SET_MODEL: "changes its model",
    Capability.SET_PERMISSION_MODE: "changes its permission mode",
    Capability.MODELS: "knows its models",
    Capability.STEER: "is steered while it runs",
    Capability.NEW_SESSION: "begins a fresh session",
    Capability.FORK: "forks a session",
    Capability.RESUME: "resumes after a restart",
    Capability.HISTORY: "keeps what was said",
    Capability.REASONING: "tells its thoughts",
    Capability.USAGE: "counts tokens",
    Capability.COST: "tells the cost",
}


def write() -> None:
    README.write_text(_made(README.read_text("utf-8")), "utf-8")


def differences() -> Iterator[str]:
    """One sentence when the table is not what the backends declare."""
    text = README.read_text("utf-8")
    if _made(text) != text:
        yield "README.md: the table of capabilities is not up to date; run `make docs`"


def cells(backend: str) -> dict[Capability, str]:
    """What the README says of that backend now: "yes", "(yes)" or ""."""
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in _PLACE.findall(README.read_text("utf-8"))[0].strip().splitlines()
    ]
    column = rows[0].index(f"`{backend}`")
    return {Capability(row[1].strip("`")): row[column] for row in rows[2:]}


def _made(text: str) -> str:
    made, count = _PLACE.subn(lambda _: "\n".join(_table()) + "\n", text)
    if count != 1:
        raise ValueError("README.md has no place for the table of capabilities")
    return made


def _table() -> Iterator[str]:
    names = registry.names()
    yield ""
    yield f"| | capability | {' | '.join(f'`{name}`' for name in names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for capability in Capability:
        cells = " | ".join(_cell(name, capability) for name in names)
        yield f"| {_WORDS[capability]} | `{capability}` | {cells} |"
    yield ""


def _cell(name: str, capability: Capability) -> str:
    kind = registry.load(name)
    if kind is AcpBackend:
        return "yes" if capability in ALWAYS else "(yes)" if capability in PERHAPS else ""
    declared: frozenset[Capability] = vars(kind)["capabilities"]
    return "yes" if capability in declared else ""
