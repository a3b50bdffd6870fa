"""The project's images for a node, built by `make images` as anybody builds them."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import base, cache, engine
from tests.cluster.node.commands import run
from tests.cluster.node.progress import step

REPOSITORY = Path(__file__).parents[3]
TAG = "test"
_LIMIT_S = 1200
_KEPT = 3
"""Archives of older images: another work tree may be about to load its own."""


@dataclass(frozen=True)
class Image:
    """One of the project's, in an archive that a node can load."""

    name: str
    archive: Path


def build() -> tuple[Image, ...]:
    """Gateway and agent of this work tree; layers that did not change are taken from the store.

    Raises:
        Failed: a build failed.
    """
    with cache.locked("images"):
        engine.forget_when_large()
        base_image = base.image()
        with step("images of gateway and agent (the first time takes 2 minutes)"):
            _make_images(base_image)
            return tuple(
                _archived(f"localhost/forge-{part}:{TAG}") for part in ("gateway", "agent")
            )


def _make_images(base_image: str) -> None:
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


def _archived(name: str) -> Image:
    """Its archive, written when this very image has none yet; not compressed, for it is read once
    a run."""
    folder = cache.folder() / "images" / name.rpartition("/")[2].replace(":", "-")
    archive = folder / f"{engine.image_id(name)}.tar"
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for older in sorted(folder.iterdir(), key=_written)[:-_KEPT]:
            older.unlink()
        unfinished = folder / "unfinished"
        engine.buildah("push", "--quiet", name, f"docker-archive:{unfinished}:{name}")
        unfinished.rename(archive)
    return Image(name, archive)


def _written(path: Path) -> float:
    return path.stat().st_mtime
