"""Backends by name: the entry points of the group `agent_runtime.backends`.

Another package adds a backend by declaring such an entry point; nothing here changes.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import BackendUnusable

GROUP = "agent_runtime.backends"


def names() -> list[str]:
    """The backends installed here, sorted."""
    return sorted(_found())


def load(name: str) -> type[Backend]:
    """The class of that backend; nothing is started.

    Raises:
        BackendUnusable: there is none of that name, or it cannot be imported.
    """
    found = _found()
    if name not in found:
        known = ", ".join(sorted(found)) or "none"
        raise BackendUnusable(f"there is no backend {name!r}; known are: {known}")
    try:
        return cast("type[Backend]", found[name].load())
    except (ImportError, AttributeError) as error:
        raise BackendUnusable(f"the backend {name!r} cannot be loaded: {error}") from error


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
