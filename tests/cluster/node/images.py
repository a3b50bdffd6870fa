"""The project's images for a node, built by `make images` as anybody builds them."""

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import base, cache, engine
from tests.cluster.node.commands import run
from tests.cluster.node.progress import step

REPOSITORY = Path(__file__).parents[3]
TAG = "test"
_PARTS = ("gateway", "agent")
_MADE_OF = (
    *(".dockerignore", "README.md", "pyproject.toml", "agent_runtime", "gateway", "proto"),
    *("deploy/clis", "deploy/locks", "deploy/images.sh"),
    *(f"deploy/{part}.Dockerfile" for part in _PARTS),
)
_LIMIT_S = 1200
_KEPT = 4
"""Those that were used last: another work tree may be about to load its own."""


@dataclass(frozen=True)
class Image:
    """One of the project's, in an archive that a node can load."""

    name: str
    archive: Path


def build() -> tuple[Image, ...]:
    """Gateway and agent of this work tree. Those of the same sources are not built again, and of
    others only the layers that differ.

    Raises:
        Failed: a build failed.
    """
    parent = cache.folder() / "images"
    parent.mkdir(exist_ok=True)
    with cache.locked("images"):
        made = parent / _key()
        if not made.exists():
            engine.forget_when_large()
            base_image = base.image()
            with step("images of gateway and agent (the first time takes 2 minutes)"):
                _make(base_image, made)
        os.utime(made)  # it is used
        for older in sorted(parent.iterdir(), key=_used)[:-_KEPT]:
            shutil.rmtree(older)
    return tuple(Image(_name(part), made / f"{part}.tar") for part in _PARTS)


def _make(base_image: str, made: Path) -> None:
    settings = {
        "ENGINE": shlex.join(engine.command()),
        "BASE_IMAGE": base_image,
        "IMAGE_TAG": TAG,
        "BUILD_ARGS": shlex.join((*engine.build_options(), "--quiet")),
    }
    run(
        ["make", "--silent", "images"],
        limit_s=_LIMIT_S,
        folder=REPOSITORY,
        env=engine.ENVIRONMENT | settings,
    )
    unfinished = made.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for part in _PARTS:  # not compressed, for it is read once
        archive = f"docker-archive:{unfinished}/{part}.tar:{_name(part)}"
        engine.buildah("push", "--quiet", _name(part), archive)
    unfinished.rename(made)


def _name(part: str) -> str:
    return f"localhost/forge-{part}:{TAG}"


def _key() -> str:
    """Of all that the images are made of."""
    digest = hashlib.sha256(base.name().encode())
    for path in sorted(_sources()):
        digest.update(f"{path.relative_to(REPOSITORY)} {path.stat().st_mode}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    for named in _MADE_OF:
        path = REPOSITORY / named
        for found in path.rglob("*") if path.is_dir() else [path]:
            if found.is_file() and not {"__pycache__", "node_modules"} & {*found.parts}:
                yield found


def _used(path: Path) -> float:
    return path.stat().st_mtime
