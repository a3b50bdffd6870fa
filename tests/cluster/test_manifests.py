"""deploy/kustomize on a real API server, every field validated, in restricted namespaces."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kubectl import Kubectl
from tests.deploy.kustomize import COMPONENTS, FOLDER, production_with

REPLICAS = "{.metadata.generation} {.status.observedGeneration} {.status.updatedReplicas}"
APPLY = ("apply", "--server-side", "--validate=strict", "--kustomize")


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> Iterator[None]:
    """Those that the overlays name."""
    kubectl = Kubectl()
    kubectl.remove_namespaces("forge", "forge-agents")
    yield
    kubectl.remove_namespaces("forge", "forge-agents")


@pytest.mark.parametrize("overlay", ["dev", "two-namespaces"])
def test_overlays_are_applied(overlay: str) -> None:
    """No field is unknown, nothing is warned of, and Pod Security lets the pods in."""
    applied(FOLDER / "overlays" / overlay)


def test_production_with_all_components(tmp_path: Path) -> None:
    """What a component patches is still there to be patched."""
    applied(production_with(tmp_path, COMPONENTS))
    autoscaler = Kubectl("forge")("get", "hpa", "forge-gateway", "--output", "name")
    assert autoscaler.strip() == "horizontalpodautoscaler.autoscaling/forge-gateway"


def applied(kustomization: Path) -> None:
    kubectl = Kubectl()
    kubectl(*APPLY, kustomization)
    again = kubectl.warnings(*APPLY, kustomization)  # now the namespaces are labelled
    assert "arning" not in again
    Kubectl("forge").wait_for("deployment", "forge-gateway", REPLICAS, new_ones_are_made)


def new_ones_are_made(replicas: str) -> bool:
    """Whether this generation of the Deployment has pods, in whatever state."""
    generation, _, seen = replicas.partition(" ")
    return seen.split(" ")[0] == generation and seen.split(" ")[1] not in ("", "0")
