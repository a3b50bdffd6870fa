"""The kustomizations of deploy/, rendered by kubectl, which needs no cluster for it."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy/kustomize"
OVERLAYS = sorted(path.name for path in (FOLDER / "overlays").iterdir())
COMPONENTS = sorted(path.name for path in (FOLDER / "components").iterdir())


def kubectl() -> str:
    """Its path; skips the test where there is none."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("no kubectl, which renders the manifests")
    return found


def rendered(kustomization: Path) -> str:
    """The manifests, as YAML. Fails with what kubectl says."""
    command = (kubectl(), "kustomize", str(kustomization))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def production_with(folder: Path, components: Sequence[str]) -> Path:
    """A kustomization in that folder: production and these components, in its namespace."""
    parts = {name: FOLDER / "components" / name for name in components}
    lines = [
        "namespace: forge",
        f"resources: [{os.path.relpath(FOLDER / 'overlays/production', folder)}]",
        f"components: [{', '.join(os.path.relpath(path, folder) for path in parts.values())}]",
    ]
    (folder / "kustomization.yaml").write_text("\n".join(lines) + "\n")
    return folder
