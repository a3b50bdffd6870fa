"""Which kinds of events a turn's receiver wants."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from agent_runtime.model import Kind


def wanted_kinds(globs: Sequence[str]) -> frozenset[Kind]:
    """The kinds that any of the globs matches; all of them when there is no glob."""
    if not globs:
        return frozenset(Kind)
    return frozenset(kind for kind in Kind if any(fnmatchcase(kind, glob) for glob in globs))
