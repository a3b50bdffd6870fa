"""The operator's patch of pods: merged as Kubernetes would, checked before anything runs."""

from pathlib import Path

import pytest

from gateway.errors import SettingsError
from gateway.launchers.kubernetes.merge import merged
from gateway.launchers.kubernetes.template import PodTemplate
from tests.gateway.launchers.kubernetes.manifests import container, env, pod


def read(folder: Path, text: str) -> PodTemplate:
    path = folder / "pod.yaml"
    path.write_text(text)
    return PodTemplate.read(path)


def test_no_template_changes_nothing() -> None:
    assert pod(template=PodTemplate.read(None)) == pod()


def test_what_a_cluster_wants_is_merged(tmp_path: Path) -> None:
    """Maps and named elements are merged, other lists replaced, null removes."""
    template = read(
        tmp_path,
        """
        apiVersion: v1
        kind: Pod
        metadata:
          labels: {team: search}
          annotations: {example.com/scrape: "true"}
        spec:
          runtimeClassName: gvisor
          nodeSelector: {disk: ssd}
          tolerations: [{key: agents, operator: Exists}]
          volumes: [{name: ca, configMap: {name: ca}}]
          containers:
            - name: forge-agent
              env: [{name: SSL_CERT_FILE, value: /ca/ca.pem}]
              volumeMounts: [{name: ca, mountPath: /ca}]
              resources: {limits: {cpu: null}}
            - name: sidecar
              image: sidecar:1
        """,
    )
    patched = pod(template=template)
    plain = pod()
    assert patched["spec"]["runtimeClassName"] == "gvisor"
    assert patched["metadata"]["labels"] == {**plain["metadata"]["labels"], "team": "search"}
    ours = container(patched)
    assert ours["image"] == container(plain)["image"]
    assert env(patched) == {**env(plain), "SSL_CERT_FILE": "/ca/ca.pem"}
    assert [mount["name"] for mount in ours["volumeMounts"]] == ["workspace", "state", "tmp", "ca"]
    assert "cpu" not in ours["resources"]["limits"]
    assert ours["resources"]["limits"]["memory"] == "2Gi"
    assert [c["name"] for c in patched["spec"]["containers"]] == ["forge-agent", "sidecar"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "no YAML"),
        ("", "a map"),
        ("[]", "a map"),
        ("spec: []", "spec: it must be a map"),
        ("status: {}", "status: of a pod only"),
        ("{kind: Deployment, spec: {}}", "kind: it must be the patch of a Pod"),
        ("metadata: {name: x}", "metadata.name: only labels and annotations"),
        ("metadata: {finalizers: []}", "metadata.finalizers: only labels"),
        ("metadata: {labels: {agent-id: x}}", "metadata.labels.agent-id: it is the gateway's own"),
        ("metadata: {annotations: {forge.dev/owner: eve}}", "forge.dev/owner: it is the gateway's"),
        ("metadata: {labels: {a: 1}}", "metadata.labels: a map of texts"),
        (f"metadata: {{annotations: {{a: {'x' * 8192}}}}}", "annotations: at most 8 KiB are taken"),
        ("spec: {restartPolicy: Never}", "spec.restartPolicy: it cannot be patched"),
        ("spec: {hostNetwork: true}", "spec.hostNetwork: it cannot be patched"),
        ("spec: {automountServiceAccountToken: true}", "no token of the cluster"),
        ("spec: {containers: {}}", "spec.containers: a list is needed"),
        ("spec: {containers: [{image: x}]}", "containers: every element needs its name"),
        ("spec: {volumes: [{name: state, hostPath: {path: /}}]}", "state is the gateway's own"),
        ("spec: {containers: [{name: forge-agent, command: [sh]}]}", "forge-agent].command"),
        ("spec: {containers: [{name: forge-agent, envFrom: []}]}", "forge-agent].envFrom"),
        (
            "spec: {containers: [{name: forge-agent, env: [{name: FORGE_NUDGE, value: x}]}]}",
            "FORGE_NUDGE is the gateway's own",
        ),
        (
            "spec: {containers: [{name: forge-agent, volumeMounts: [{mountPath: /tmp/}]}]}",
            "/tmp/ is the gateway's own",
        ),
        ("spec: {$patch: replace}", "$patch: directives are not taken"),
        ("spec: {1: 2}", "names of fields are texts"),
    ],
)
def test_what_agents_rest_on_cannot_be_patched(tmp_path: Path, text: str, told: str) -> None:
    """Said at start, with variable, file and field."""
    with pytest.raises(SettingsError, match=r"FORGE_AGENT_TEMPLATE: .*pod\.yaml") as refused:
        read(tmp_path, text)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml cannot be read"):
        PodTemplate.read(tmp_path / "none.yaml")


def test_merging_changes_neither_side() -> None:
    """One template serves all pods."""
    value = {"env": [{"name": "A", "value": "1"}], "map": {"x": 1}}
    patch = {"env": [{"name": "A", "value": "2"}, {"name": "B"}], "map": {"y": 2}}
    assert merged(value, patch) == {
        "env": [{"name": "A", "value": "2"}, {"name": "B"}],
        "map": {"x": 1, "y": 2},
    }
    assert value == {"env": [{"name": "A", "value": "1"}], "map": {"x": 1}}
    assert patch == {"env": [{"name": "A", "value": "2"}, {"name": "B"}], "map": {"y": 2}}
