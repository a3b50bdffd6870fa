"""docs/settings.md is generated from the settings objects."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec

from agent_runtime.settings import Settings as AgentSettings
from gateway.settings import IGNORED
from gateway.settings import Settings as GatewaySettings
from gateway.variables import Duration

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"

_HEAD = """# Settings

Made from the settings objects by `make docs`; edit `gateway/settings.py` and
`agent_runtime/settings.py` instead of this page.

Everything is read once, at start, from the environment; a variable that is empty
counts as unset. What cannot be used ends the start with a sentence that names
the variable. Durations have Go's form: `500ms`, `10s`, `1m30s`, `1.5h`.
"""


def page() -> str:
    """The whole page."""
    ignored = ", ".join(f"`{name}`" for name in IGNORED)
    parts = [
        _HEAD,
        "## Gateway (`forge serve`)\n",
        _table(GatewaySettings),
        f"\nAccepted and ignored, with one log line: {ignored}.\n",
        "## Agent (`python -m agent_runtime`)\n",
        "A launcher sets these; backends read further ones that begin with `FORGE_` and "
        "their name.\n",
        _table(AgentSettings),
    ]
    return "\n".join(parts)


def differences() -> Iterator[str]:
    """One sentence when the page is not up to date."""
    if not PAGE.exists() or PAGE.read_text("utf-8") != page():
        yield "docs/settings.md is not what the settings objects say; run `make docs`"


def write() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), "utf-8")


def _table(settings: type[msgspec.Struct]) -> str:
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    fields = sorted(msgspec.structs.fields(settings), key=lambda field: field.encode_name)
    lines += [
        f"| `{field.encode_name}` | {_default(field)} | {_meaning(field.type)} |"
        for field in fields
    ]
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return _DESCRIBED.get(field.encode_name, f"`{field.default_factory()}`")
    if field.default is msgspec.NODEFAULT:
        return "required"
    if field.default in (None, "", ()):
        return "unset"
    return f"`{_written(field.default)}`"


_DESCRIBED = {
    "FORGE_STATE_DIR": "the user's data folder",
    "FORGE_RUNTIME_DIR": "`/tmp/forge-UID`",
}


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Duration):
        return f"{value:g}s"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(kind: Any) -> str:
    """The description that stands in the annotation, wherever it is nested."""
    for part in get_args(kind):
        if isinstance(part, msgspec.Meta) and part.description:
            return part.description
    return next((found for part in get_args(kind) if (found := _meaning(part))), "")
