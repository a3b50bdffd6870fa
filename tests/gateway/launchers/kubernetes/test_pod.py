"""What an agent's pod looks like, and what it never holds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.launchers.kubernetes import belongings
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.objects import Metadata, Pod, VolumeClaim
from gateway.launchers.kubernetes.pod import image
from gateway.settings import Settings
from tests.gateway.launchers.kubernetes.manifests import KEYRING, container, env, facts, pod


def test_restricted_pod_security() -> None:
    """No root, nothing writable in the image, no capability, no token of the cluster."""
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    outer = spec["securityContext"]
    assert (outer["runAsNonRoot"], outer["runAsUser"], outer["runAsGroup"]) == (True, 1001, 1001)
    assert outer["seccompProfile"] == {"type": "RuntimeDefault"}
    inner = container(pod())["securityContext"]
    assert inner["allowPrivilegeEscalation"] is False
    assert inner["readOnlyRootFilesystem"] is True
    assert inner["capabilities"] == {"drop": ["ALL"]}


def test_names_that_others_rely_on() -> None:
    """Container, port, labels, raw owner."""
    made = pod(facts(user_id="Ada, x=y"))
    assert made["metadata"]["annotations"]["forge.dev/owner"] == "Ada, x=y"
    assert made["metadata"]["labels"]["agent-id"] == "a1"
    assert container(made)["ports"] == [{"name": "grpc", "containerPort": 8080, "protocol": "TCP"}]


def test_every_writable_place_is_bounded() -> None:
    """A workspace that fills up ends its own pod, not the node."""
    volumes = {volume["name"]: volume for volume in pod()["spec"]["volumes"]}
    assert set(volumes) == {"workspace", "state", "tmp"}
    assert all(volume["emptyDir"]["sizeLimit"] for volume in volumes.values())
    mounts = {mount["mountPath"]: mount["name"] for mount in container(pod())["volumeMounts"]}
    assert mounts == {
        "/home/agent/workspace": "workspace",
        "/home/agent/state": "state",
        "/tmp": "tmp",
    }


def test_a_volume_of_its_own_holds_workspace_and_journal() -> None:
    """And the runtime is told that its journal is kept."""
    made = pod(keeps_journal=True)
    claimed = [v["persistentVolumeClaim"]["claimName"] for v in made["spec"]["volumes"][:1]]
    assert claimed == [made["metadata"]["name"]]
    sub_paths = {m["mountPath"]: m.get("subPath") for m in container(made)["volumeMounts"]}
    assert sub_paths["/home/agent/workspace"] == "workspace"
    assert sub_paths["/home/agent/state"] == "state"
    assert env(made)["FORGE_JOURNAL"] == "kept"
    assert env(pod())["FORGE_JOURNAL"] == "volatile"


def test_the_runtime_is_told_what_it_needs() -> None:
    """Its id, its folders, its pod, where to nudge, and hashes instead of tokens."""
    told = env(pod(variables={"FORGE_NUDGE_ADDRESS": "forge-gateway:9090"}))
    assert told["AGENT_ID"] == "a1"
    assert told["AGENT_CWD"] == "/home/agent/workspace"
    assert told["FORGE_STATE_DIR"] == "/home/agent/state"
    assert told["TMPDIR"] == "/tmp"
    assert told["FORGE_NUDGE"] == "forge-gateway:9090"
    assert told["FORGE_POD_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    for scope in ("client", "relay"):
        hashed = KEYRING.token_sha256("a1", scope, key_id="k1")
        assert told[f"FORGE_{scope.upper()}_TOKEN_SHA256"] == hashed


def test_nothing_secret_stands_in_it() -> None:
    """Neither the caller's values, nor the gateway's environment, nor a token."""
    gateway_env = {"ANTHROPIC_API_KEY": "sk-gateway", "FORGE_API_KEY": "fk_gateway", "HOME": "/x"}
    text = json.dumps(pod(facts(env={"TOKEN": "hush"}), gateway_env=gateway_env))
    tokens = [KEYRING.token("a1", scope, key_id="k1") for scope in ("client", "relay")]
    for secret in ("hush", "sk-gateway", "fk_gateway", *tokens):
        assert secret not in text
    assert "ada-a1-env" in text


def test_backends_get_only_the_credentials_they_read() -> None:
    """From the named Secret, where it is there; what the caller gives wins."""
    told = env(pod(variables={"FORGE_AGENT_SECRET": "models"}))
    key = {"name": "models", "key": "ANTHROPIC_API_KEY", "optional": True}
    assert told["ANTHROPIC_API_KEY"] == {"secretKeyRef": key}
    assert "ANTHROPIC_API_KEY" not in env(pod(facts(backend="command")))
    assert "ANTHROPIC_API_KEY" not in env(pod(facts(backend="codex")))
    assert "OPENAI_API_KEY" in env(pod(facts(backend="codex")))
    assert "CLAUDE_CODE_OAUTH_TOKEN" in env(pod(facts(backend="claude_code")))
    assert "ANTHROPIC_API_KEY" not in env(pod(facts(env={"ANTHROPIC_API_KEY": "mine"})))


def test_runtimes_settings_come_from_the_gateways_environment() -> None:
    """Those of all runtimes, and those that begin with the backend's name."""
    gateway_env = {
        "FORGE_COMMAND": "cat",
        "FORGE_TURN_LIMIT_S": "60",
        "FORGE_OPENCODE_BIN": "/x",
        "FORGE_COMMANDER": "x",
        "FORGE_HOST": "0.0.0.0",
    }
    told = env(pod(facts(backend="command"), gateway_env=gateway_env))
    assert (told["FORGE_COMMAND"], told["FORGE_TURN_LIMIT_S"]) == ("cat", "60")
    assert not {"FORGE_OPENCODE_BIN", "FORGE_COMMANDER"} & told.keys()
    assert "FORGE_HOST" not in told


@pytest.mark.parametrize(
    ("grace", "seconds"), [({}, 40), ({"FORGE_GRACE_S": "60"}, 90), ({"FORGE_GRACE_S": "x"}, 40)]
)
def test_the_grace_period_fits_the_drain(grace: dict[str, str], seconds: int) -> None:
    """The running turn may end, then what is left has half a minute to be delivered."""
    assert pod(gateway_env=grace)["spec"]["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, "ghcr.io/forge-agent:latest"),
        ({"CONTAINER_NAMESPACE": "acme"}, "ghcr.io/acme/forge-agent:latest"),
        (
            {"CONTAINER_REGISTRY": "r.example:5000", "AGENT_IMAGE_TAG": "sha256:00"},
            "r.example:5000/forge-agent@sha256:00",
        ),
    ],
)
def test_the_image_is_put_together(variables: dict[str, str], name: str) -> None:
    """Empty parts are left out; a digest has its own sign."""
    assert image(Settings.from_env(variables)) == name


def test_optional_settings_are_left_out() -> None:
    """What is not set is Kubernetes' default, not an empty value."""
    made = pod()
    assert "imagePullSecrets" not in made["spec"]
    assert "serviceAccountName" not in made["spec"]
    assert "imagePullPolicy" not in container(made)
    assert "envFrom" not in container(made)
    full = pod(variables={"IMAGE_PULL_SECRET": "r", "FORGE_AGENT_SERVICE_ACCOUNT": "agents"})
    assert full["spec"]["imagePullSecrets"] == [{"name": "r"}]
    assert full["spec"]["serviceAccountName"] == "agents"


@given(
    user_id=st.text(max_size=100),
    labels=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5),
    env=st.lists(st.from_regex(r"[A-Z]{1,9}", fullmatch=True), max_size=3, unique=True),
)
def test_facts_are_read_back(user_id: str, labels: dict[str, str], env: list[str]) -> None:
    """From annotations alone, whatever an owner and labels are called."""
    written = facts(user_id=user_id, env=dict.fromkeys(env, "x"))
    metadata: dict[str, Any] = written.metadata()
    assert AgentFacts.read(Metadata(**metadata)) == written


def test_what_no_gateway_made_is_no_agent() -> None:
    """Labels can be put on anything; facts that are missing or broken make it nobody's."""
    metadata: dict[str, Any] = facts().metadata()
    for broken in ({}, {**metadata["annotations"], "forge.dev/created": "yesterday"}):
        assert AgentFacts.read(Metadata(**{**metadata, "annotations": broken})) is None


def test_belongings_have_an_owner() -> None:
    """Kubernetes removes them with it: nothing is left when a gateway dies on the way."""
    owner = Pod(metadata=Metadata(name="ada-a1", uid="u1"))
    secret = belongings.env_secret(facts(env={"A": "b"}), {"A": "b"}, owner)
    service = belongings.node_port(facts(), owner)
    for made in (secret, service):
        (reference,) = made["metadata"]["ownerReferences"]
        assert (reference["kind"], reference["uid"]) == ("Pod", "u1")
    assert secret["data"] == {"A": "Yg=="}
    claim = VolumeClaim(metadata=Metadata(name="ada-a1", uid="u2"))
    assert belongings.owned_by(claim)["kind"] == "PersistentVolumeClaim"


def test_a_claim_says_what_was_set() -> None:
    """Size, class, and the facts from which its pod is made again."""
    settings = Settings.from_env(
        {"FORGE_AGENT_VOLUME": "10Gi", "FORGE_AGENT_STORAGE_CLASS": "fast"}
    )
    made = belongings.volume_claim(facts(), settings)
    assert made["spec"]["resources"] == {"requests": {"storage": "10Gi"}}
    assert made["spec"]["storageClassName"] == "fast"
    assert AgentFacts.read(Metadata(**made["metadata"])) == facts()
