"""What containerd makes of a set of images, made once: nodes begin with a copy of it."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.node import cache, node
from tests.cluster.node.components import Components
from tests.cluster.node.layout import layout
from tests.cluster.node.progress import step
from tests.cluster.node.reservation import reserved

_NAME = "seed"
_KEPT = 3
"""Those that were used last: another work tree may be about to use its own."""


def seed(components: Components, archives: Sequence[Path]) -> Path:
    """A folder of containerd's with these images, each in an archive that is never changed.

    Raises:
        Failed: containerd refuses one.
    """
    parent = cache.folder() / "seeds"
    parent.mkdir(exist_ok=True)
    made = parent / _key(components, archives)
    with reserved(_NAME):
        if not made.exists():
            used = sorted(parent.iterdir(), key=_used)
            with step("unpacking the images"):
                _make(components, archives, made, like=used[-1:] if archives else ())
        os.utime(made)  # it is used
        for older in sorted(parent.iterdir(), key=_used)[:-_KEPT]:
            shutil.rmtree(older)
    return made


def _make(
    components: Components, archives: Sequence[Path], made: Path, *, like: Sequence[Path]
) -> None:
    """In a node of which only containerd runs. `like`: an older one, whose layers are there then;
    containerd itself forgets those that no image has any more."""
    node.down(_NAME)
    bare = node.opened(layout(_NAME), components)
    try:
        for older in like:
            bare.plant(older)
        bare.start_containerd()
        bare.load_pause()
        bare.load(*archives)
        bare.end_containerd()
        (bare.layout.lib / "containerd").rename(made)
    finally:
        node.down(_NAME)


def _used(path: Path) -> float:
    return path.stat().st_mtime


def _key(components: Components, archives: Sequence[Path]) -> str:
    names = [str(path) for path in (components.folder, *archives)]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
