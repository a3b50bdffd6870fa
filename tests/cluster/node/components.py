"""Kubernetes' programs, built once from the modules that go.mod and go.sum beside this file pin."""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import cache
from tests.cluster.node.commands import run
from tests.cluster.node.progress import step

_HERE = Path(__file__).parent
_SOURCES = (
    *("go.mod", "go.sum", "tools.go", "pause/main.go"),
    *("dns/go.mod", "dns/go.sum", "dns/main.go"),
)
_BUILD_LIMIT_S = 1800


@dataclass(frozen=True)
class Components:
    """A folder with kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy,
    kubectl, coredns and pause."""

    folder: Path

    def path(self, name: str) -> Path:
        """The program of that name."""
        return self.folder / name


def build() -> Components:
    """Those of this go.mod, from the cache; built first if need be (6 minutes on two cores).

    Raises:
        Failed: Go could not build them.
    """
    parent = cache.folder() / "components"
    made = parent / _key()
    with cache.locked("components"):
        if not made.exists():
            unfinished = parent / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            with step(f"building Kubernetes {_version()}, once: about 6 minutes on two cores"):
                _build(unfinished)
            unfinished.rename(made)
    return Components(made)


def _build(folder: Path) -> None:
    folder.mkdir(parents=True)
    _go_build(_HERE, folder, _packages())
    _go_build(_HERE / "dns", folder / "coredns", ["."])  # a module of its own: other versions


def _go_build(module: Path, output: Path, packages: list[str]) -> None:
    flags = ("-trimpath", "-mod=readonly", f"-ldflags={_link_flags()}", f"-o={output}")
    run(
        ["nice", "go", "build", *flags, *packages],
        limit_s=_BUILD_LIMIT_S,
        folder=module,
        env={"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"},
    )


def _packages() -> list[str]:
    """What tools.go imports, and pause."""
    named = re.findall(r'_ "([^"]+)"', (_HERE / "tools.go").read_text())
    return ["./pause", *named]


def _version() -> str:
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (_HERE / "go.mod").read_text())
    assert found is not None, "go.mod requires k8s.io/kubernetes"
    return found[1]


def _link_flags() -> str:
    return f"-s -w -X k8s.io/component-base/version.gitVersion={_version()}"


def _key() -> str:
    """Other sources, other flags or another machine: another folder."""
    digest = hashlib.sha256(f"{_link_flags()} {os.uname().machine}".encode())
    for name in _SOURCES:
        digest.update((_HERE / name).read_bytes())
    return digest.hexdigest()[:16]
