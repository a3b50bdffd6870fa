"""Finding a CLI's program, and asking it for its version."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent_runtime.backends.protocol import Usability
from agent_runtime.errors import BackendUnusable

_VERSION_LIMIT_S = 20.0
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_NEEDED = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH")
_OWN_FOLDERS = (
    "HOME",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A CLI as its users install it.

    `option` is the setting that holds another path of it; versions from `oldest`
    on and before `too_new` are known to speak what the backend speaks.
    """

    name: str
    option: str
    install: str
    oldest: str
    too_new: str

    def find(self, options: Mapping[str, str], env: Mapping[str, str]) -> str:
        """Its path. Raises BackendUnusable."""
        wanted = options.get(self.option) or self.name
        path = shutil.which(wanted, path=env.get("PATH"))
        if path is None:
            raise BackendUnusable(
                f"{wanted!r} is not found: install it with `{self.install}`, "
                f"or set {self.option} to its path"
            )
        return path

    def check(self, told: str) -> str:
        """The version in what the CLI told of itself. Raises BackendUnusable."""
        found = _VERSION.search(told)
        if found is None:
            raise BackendUnusable(f"{self.name} does not tell its version, but {told[:200]!r}")
        if objection := self.objection(told):
            raise BackendUnusable(objection)
        return found.group()

    def objection(self, told: str) -> str:
        """That the version which it told is not supported; "" where it told none, too."""
        found = _VERSION.search(told)
        if found is None or _parts(self.oldest) <= _parts(found.group()) < _parts(self.too_new):
            return ""
        return (
            f"{self.name} {found.group()} is not supported: {self.oldest} or newer, and older "
            f"than {self.too_new}, is needed; `{self.install}` installs one"
        )

    def probe(
        self,
        env: Mapping[str, str],
        *,
        has_credentials: Callable[[Mapping[str, str]], bool],
        login: str,
    ) -> Usability:
        """Whether it answers, and has something to log in to a model with.

        `login` says how to get that.
        """
        try:
            found = self.check(version(self.find(env, env), env))
            configured = has_credentials(env)
        except BackendUnusable as error:
            return Usability(usable=False, detail=str(error))
        told = f"{self.name} {found}"
        if not configured:
            return Usability(usable=False, detail=f"{told} has no credentials: {login}")
        return Usability(usable=True, detail=told)


@dataclass(frozen=True, slots=True)
class Installed:
    """A program that has been found."""

    program: Program
    path: str


def secluded(env: Mapping[str, str], folder: str) -> dict[str, str]:
    """What a CLI needs to tell its version: no credentials, and no folder but that."""
    needed = {name: env[name] for name in _NEEDED if name in env}
    return {**needed, **dict.fromkeys(_OWN_FOLDERS, folder)}


def version(binary: str, env: Mapping[str, str]) -> str:
    """What it says to --version.

    It is asked in a home of its own: CLIs make folders even when they only tell their
    version.

    Raises:
        BackendUnusable: it says nothing.
    """
    with tempfile.TemporaryDirectory(prefix="forge-probe-") as folder:
        try:
            answer = subprocess.run(  # noqa: S603 - the binary that the user named
                [binary, "--version"],
                env=secluded(env, folder),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_VERSION_LIMIT_S,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BackendUnusable(f"{binary} does not tell its version: {error}") from error
    return answer.stdout.strip()


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
