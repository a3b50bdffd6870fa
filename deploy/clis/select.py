"""`python3 select.py NAME...`: reduce the pinned packages beside this file to those CLIs.

Run while the agent's image is built, before `npm ci`, which wants package.json and its lock file
to agree. A CLI has a package for each platform, of which npm takes the right one.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_PLATFORM = re.compile(r"-(linux|darwin)-(x64|arm64)$")
_PACKAGES = {"claude": "claude-code"}
"""Where the program has another name than its packages."""


def main(clis: list[str]) -> int:
    """The exit status."""
    packages = json.loads((HERE / "package.json").read_text())
    wanted = packages["optionalDependencies"]
    unknown = [cli for cli in clis if not any(_is_of(name, [cli]) for name in wanted)]
    if unknown:
        sys.stderr.write(
            f"CLIS names {unknown[0]!r}, which deploy/clis/package.json does not pin\n"
        )
        return 1
    lock = json.loads((HERE / "package-lock.json").read_text())
    for described in (packages, lock["packages"][""]):
        described["optionalDependencies"] = _of(described["optionalDependencies"], clis)
    lock["packages"] = {"": lock["packages"][""]} | _of(lock["packages"], clis)
    (HERE / "package.json").write_text(json.dumps(packages))
    (HERE / "package-lock.json").write_text(json.dumps(lock))
    return 0


def _of(named: dict[str, Any], clis: list[str]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if _is_of(name, clis)}


def _is_of(name: str, clis: list[str]) -> bool:
    """A CLI's package has its name, and a platform behind it; codex-acp is none of codex."""
    stem = _PLATFORM.sub("", name.rpartition("/")[2])
    return stem in {_PACKAGES.get(cli, cli) for cli in clis}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
