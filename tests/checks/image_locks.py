"""The images' lock files are what `make lock` makes: versions and hashes of requirements.lock, and
neither more nor fewer packages than what they are for needs."""

import importlib.metadata
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
_LOCKS = ROOT / "deploy" / "locks"


def differences() -> Iterator[str]:
    """One sentence a lock file that is out of date."""
    main = _entries(ROOT / "requirements.lock")
    for name, wanted in _wanted().items():
        lock = _LOCKS / f"{name}.txt"
        if not lock.exists() or not _fits(_entries(lock), main, wanted):
            yield f"{lock.relative_to(ROOT)} is out of date; run `make lock`"


def _wanted() -> dict[str, list[str]]:
    """What each lock file is for, as pyproject.toml says it. That of npm is for one package, which
    no environment of ours has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    return {
        "gateway": project["project"]["dependencies"],
        "agent": groups["agent-image"],
        "build": groups["build-image"],
    }


def _fits(lock: dict[str, str], main: dict[str, str], wanted: list[str]) -> bool:
    same = all(main.get(name) == entry for name, entry in lock.items())
    here = {name for name, entry in lock.items() if _applies(entry)}
    return same and here == _closure(wanted)


def _applies(entry: str) -> bool:
    _, _, condition = entry.splitlines()[0].rstrip(" \\").partition(" ; ")
    return not condition or Marker(condition).evaluate()


def _closure(wanted: list[str]) -> set[str]:
    """Names of all that is needed on this machine, from the metadata of what is installed."""
    found: set[str] = set()
    open_ = [Requirement(text) for text in wanted]
    while open_:
        requirement = open_.pop()
        name = canonicalize_name(requirement.name)
        if name in found and not requirement.extras:
            continue
        found.add(name)
        needs = [Requirement(t) for t in importlib.metadata.distribution(name).requires or ()]
        open_ += [need for need in needs if _needed(need, requirement.extras)]
    return found


def _needed(need: Requirement, extras: set[str]) -> bool:
    if need.marker is None:
        return True
    return any(need.marker.evaluate({"extra": extra}) for extra in (extras or {""}))


def _entries(lock: Path) -> dict[str, str]:
    """Each package's lines: version, condition, hashes."""
    entries: dict[str, str] = {}
    name = ""
    for line in lock.read_text().splitlines():
        if line and not line[0].isspace():
            name = canonicalize_name(line.partition("==")[0])
            entries[name] = ""
        entries[name] += f"{line}\n"
    return entries
