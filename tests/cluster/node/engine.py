"""Buildah with a store of its own in the cache: builds, and keeps what it built.

It needs no service and no namespace (its isolation is chroot).
"""

from collections.abc import Sequence
from pathlib import Path

from tests.cluster.node import cache
from tests.cluster.node.commands import run

ENVIRONMENT = {"BUILDAH_ISOLATION": "chroot"}
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_BUILD_LIMIT_S = 900
_LAYERS_KEPT = 1000


def command() -> tuple[str, ...]:
    """Buildah with the options for its store."""
    store = cache.folder() / "containers"
    places = (f"--root={store}/storage", f"--runroot={store}/run")
    return ("buildah", *places, "--storage-driver=overlay")


def build_options() -> tuple[str, ...]:
    """What every build here is told: to trust the authorities that this machine trusts."""
    if not _AUTHORITIES.exists():
        return ()
    return (f"--volume={_AUTHORITIES}:{_AUTHORITIES}:ro",)


def has(name: str) -> bool:
    """Whether that image is in the store."""
    listed = buildah("images", "--format={{.Name}}:{{.Tag}}")
    return name in listed.split()


def forget_when_large() -> None:
    """Every changed source leaves layers behind: begin anew when there are too many."""
    if len(buildah("images", "--all", "--quiet").split()) > _LAYERS_KEPT:
        buildah("rmi", "--all", "--force")


def buildah(*words: str | Path, folder: Path | None = None) -> str:
    """Run it; what it printed.

    Raises:
        Failed: with the end of what it said.
    """
    line: Sequence[str | Path] = (*command(), *words)
    return run(line, limit_s=_BUILD_LIMIT_S, folder=folder, env=ENVIRONMENT)
