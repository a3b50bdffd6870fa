"""The manifests render, and say what the gateway understands."""

import re
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest
import yaml

from gateway.settings import Settings
from gateway.variables import Duration
from tests.deploy.kustomize import COMPONENTS, FOLDER, OVERLAYS, production_with, rendered

SETTINGS = {field.encode_name for field in msgspec.structs.fields(Settings)}
ENV_FILES = sorted(FOLDER.rglob("gateway.env"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_render(overlay: str) -> None:
    """Each is complete: a Deployment with an image of its own, settings, both network policies."""
    manifests = rendered(FOLDER / "overlays" / overlay)
    kinds = re.findall(r"^kind: (\w+)$", manifests, re.MULTILINE)
    assert kinds.count("NetworkPolicy") == 2
    assert kinds.count("Role") == kinds.count("RoleBinding") == 1
    assert re.search(r"image: \S+/forge-gateway:\S+$", manifests, re.MULTILINE)
    assert re.search(r"configMapRef:\n\s+name: forge-gateway-\w{10}$", manifests, re.MULTILINE)
    assert re.search(r"subjects:\n.*\n  name: forge-gateway\n  namespace: forge$", manifests, re.M)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_name_images_of_this_version(overlay: str) -> None:
    """What `make images` has built is what is deployed, the agents' image included."""
    manifests = rendered(FOLDER / "overlays" / overlay)
    tags = re.findall(r"(?:image: \S+|AGENT_IMAGE_TAG): ?(\S+)$", manifests, re.MULTILINE)
    assert len(tags) >= 2
    assert set(tags) == {version("forge-gateway")}


@pytest.mark.parametrize("component", COMPONENTS)
def test_each_component_fits(component: str, tmp_path: Path) -> None:
    """By itself, beside the production overlay."""
    plain = rendered(FOLDER / "overlays/production")
    assert rendered(production_with(tmp_path, [component])) != plain


def test_all_components_fit_together(tmp_path: Path) -> None:
    """In the order of their names, which is no other than any."""
    manifests = rendered(production_with(tmp_path, COMPONENTS))
    assert "replicas:" not in manifests
    for named in ("FORGE_AGENT_TEMPLATE", "NODE_HOST", "- services", "HorizontalPodAutoscaler"):
        assert named in manifests
    assert manifests.count("- persistentvolumeclaims") == 2


@pytest.mark.parametrize("path", ENV_FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_settings_are_understood(path: Path) -> None:
    """A variable that no gateway knows would do nothing, and say nothing."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    given = dict(line.split("=", 1) for line in lines)
    assert set(given) <= SETTINGS
    Settings.from_env(given)


def test_variables_of_the_deployment_are_understood() -> None:
    """Those that fit its mounts and ports, and what components add."""
    named = re.findall(r"name: ([A-Z_]+)\b", rendered(FOLDER / "base"))
    assert len(named) > 5
    assert set(named) - {"POD_NAMESPACE"} <= SETTINGS


def test_the_grace_period_fits_the_shutdown() -> None:
    """Kubernetes must not kill a gateway that finishes what is in flight."""
    manifests = rendered(FOLDER / "base")
    (grace_s,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", manifests)
    shutdown_s = sum(
        Duration.parse(re.findall(rf"{name}: (\S+)", manifests)[0])
        for name in ("FORGE_SHUTDOWN_DELAY", "SHUTDOWN_TIMEOUT")
    )
    assert shutdown_s + 10 <= int(grace_s)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_gateways_are_kept_apart_and_go_one_by_one(overlay: str) -> None:
    """On nodes of their own where there are such; a drained node takes one at a time."""
    manifests = {
        (each["kind"], each["metadata"]["name"]): each.get("spec")
        for each in yaml.safe_load_all(rendered(FOLDER / "overlays" / overlay))
    }
    labels = {"app.kubernetes.io/name": "forge-gateway"}
    gateways = manifests["Deployment", "forge-gateway"]
    budget = manifests["PodDisruptionBudget", "forge-gateway"]
    assert labels.items() <= gateways["template"]["metadata"]["labels"].items()
    assert (budget["selector"]["matchLabels"], budget["maxUnavailable"]) == (labels, 1)
    assert gateways["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    apart = gateways["template"]["spec"]["affinity"]["podAntiAffinity"]
    (preferred,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert preferred["podAffinityTerm"]["labelSelector"]["matchLabels"] == labels
