"""The base image of the tests' images: Debian with Python, made without a registry of images.

It stands for `python:3.12-slim`, which is what the images have elsewhere.
"""

import hashlib
import tempfile
from pathlib import Path

from tests.cluster.node import engine
from tests.cluster.node.commands import run
from tests.cluster.node.progress import step

_SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
_OPTIONS = (
    "--variant=minbase",
    f"--include={_PACKAGES}",
    *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT),
)
_LIMIT_S = 600


def name() -> str:
    """What it is called; another definition has another name."""
    key = hashlib.sha256(" ".join((_SUITE, *_OPTIONS)).encode()).hexdigest()[:12]
    return f"localhost/forge-base:{key}"


def image() -> str:
    """Its name in the store; made first if need be (one minute).

    Raises:
        Failed: Debian's packages cannot be had.
    """
    if not engine.has(name()):
        with step("making the base image, once: about a minute"):
            _make()
    return name()


def _make() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run(["mmdebstrap", *_OPTIONS, _SUITE, folder / "base.tar"], limit_s=_LIMIT_S)
        (folder / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
        engine.buildah("build", "--quiet", f"--tag={name()}", folder)
