"""What cannot be made says why, in words, and leaves nothing. A real scheduler and kubelet."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.errors import StartFailed, Unavailable
from gateway.launchers.kubernetes import KubernetesLauncher, sweep
from tests.cluster.launcher.place import KubernetesPlace
from tests.cluster.node.errors import Failed
from tests.gateway.launchers.harness import spec, status

HOSTILE_OWNERS = [
    "ada,agent-id=a2",
    "ada=eve",
    "user-id=ada",
    "a" * 300,
    "Ada Lovelace <ada@example.com>",
    "\N{GREEK SMALL LETTER ALPHA}\N{SNOWMAN}",
    '{"x":"y"}',
    "!ada",
    "ada in (eve)",
]


async def eventually_nothing(place: KubernetesPlace) -> None:
    """Owned objects are removed by Kubernetes, a moment later."""
    await place.without("pods", "persistentvolumeclaims", "services", "secrets", within_s=30)


async def refused(launcher: KubernetesLauncher, *, wait_s: float = 20) -> str:
    with pytest.raises(StartFailed) as failure:
        await launcher.create(spec(), wait_s=wait_s)
    assert await launcher.list() == []
    return str(failure.value)


@pytest.mark.parametrize(
    ("variables", "wait_s", "words"),
    [
        (
            {"FORGE_AGENT_CPU": "100", "FORGE_AGENT_CPU_REQUEST": "100"},
            1.5,
            ["no node takes it", "Insufficient cpu", "Unschedulable"],
        ),
        ({"AGENT_IMAGE_NAME": "none"}, 20, ["image", "localhost/none:test", "ErrImageNeverPull"]),
        ({"AGENT_IMAGE_NAME": "No/Image"}, 20, ["No/Image", "InvalidImageName"]),
    ],
    ids=["unschedulable", "missing-image", "invalid-name"],
)
async def test_words_of_what_keeps_a_pod(
    place: KubernetesPlace, variables: dict[str, str], wait_s: float, words: list[str]
) -> None:
    """Scheduler's and kubelet's words reach the caller; where waiting is vain nobody waits."""
    place.configure(**variables)
    launcher = await place.open()
    told = await refused(launcher, wait_s=wait_s)
    assert all(word in told for word in words), told
    await eventually_nothing(place)


@pytest.mark.parametrize(
    ("volume", "reason", "words"),
    [
        ({"secret": {"secretName": "none"}}, "FailedMount", 'secret "none" not found'),
        ({"configMap": {"name": "none"}}, "FailedMount", 'configmap "none" not found'),
        (
            {"persistentVolumeClaim": {"claimName": "none"}},
            "Unschedulable",
            'persistentvolumeclaim "none" not found',
        ),
    ],
    ids=["secret", "configmap", "claim"],
)
async def test_words_of_what_a_template_mounts_and_is_not_there(
    place: KubernetesPlace, tmp_path: Path, volume: dict[str, object], reason: str, words: str
) -> None:
    """Of the first two Kubernetes tells in events alone: whoever asks for the agent reads it, and
    whoever waits for a message of its."""
    template = tmp_path / "pod.yaml"
    container = {"name": "forge-agent", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    template.write_text(
        json.dumps({"spec": {"volumes": [{"name": "v", **volume}], "containers": [container]}})
    )
    place.configure(FORGE_AGENT_TEMPLATE=str(template))
    launcher = await place.open()
    await launcher.create(spec(), wait_s=0)
    async with asyncio.timeout(20):
        while (noted := launcher.notes.of("a1")) is None or words not in noted.message:
            await asyncio.sleep(0.01)
    shown = await launcher.get("a1")
    assert (shown.message, shown.reason) == (noted.message, noted.reason) == (noted.message, reason)


async def test_words_of_an_image_that_cannot_be_pulled(place: KubernetesPlace) -> None:
    """Kubelet's, too; it goes on trying, so that nothing is hopeless yet."""
    place.configure(AGENT_IMAGE_NAME="none", FORGE_AGENT_IMAGE_PULL_POLICY="Always")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=0)
    async with asyncio.timeout(30):
        while (await launcher.get("a1")).reason not in ("ErrImagePull", "ImagePullBackOff"):
            await asyncio.sleep(0.05)
    with pytest.raises(Unavailable, match=r"cannot be pulled.*localhost/none:test"):
        await launcher.reach("a1", timeout_s=0.1)


async def test_last_words_of_a_runtime_hold_no_secret(place: KubernetesPlace) -> None:
    """A container that ends at once is told with its log's end; the caller's values are blanked."""
    launcher = await place.open()
    with pytest.raises(StartFailed) as failure:
        await launcher.create(
            spec(permission_mode="hush-hush", env={"TOKEN": "hush-hush"}), wait_s=20
        )
    assert "PERMISSION_MODE" in str(failure.value)
    assert "hush-hush" not in str(failure.value)
    await eventually_nothing(place)


@asynccontextmanager
async def quota(place: KubernetesPlace, pods: int) -> AsyncIterator[None]:
    await asyncio.to_thread(place.kubectl, "create", "quota", "few", f"--hard=pods={pods}")
    try:
        await asyncio.to_thread(
            place.kubectl.wait_for, "quota", "few", "{.status.hard.pods}", str(pods).__eq__
        )
        yield
    finally:
        await asyncio.to_thread(place.kubectl, "delete", "quota", "few", "--ignore-not-found")


async def test_a_full_quota_is_waited_for_then_told(place: KubernetesPlace) -> None:
    """It may have room a moment later; when it has not, that is said."""
    launcher = await place.open()
    async with quota(place, pods=0):
        told = await refused(launcher, wait_s=1)
        assert "quota" in told
        assert "used up" in told
        making = asyncio.create_task(launcher.create(spec(), wait_s=20))
        await asyncio.sleep(0.5)
        assert not making.done()
    assert (await making).ready


@asynccontextmanager
async def limits(place: KubernetesPlace, memory: str) -> AsyncIterator[None]:
    """No container may have more memory, from when the API server has noticed."""
    limit = {"type": "Container", "max": {"memory": memory}}
    spoken = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "little"},
        "spec": {"limits": [limit]},
    }
    await asyncio.to_thread(place.kubectl, "create", "-f", "-", text=json.dumps(spoken))
    try:
        async with asyncio.timeout(30):
            while await asyncio.to_thread(admitted, place, "64Mi"):
                await asyncio.sleep(0.1)
        yield
    finally:
        await asyncio.to_thread(place.kubectl, "delete", "limitrange", "little")


def admitted(place: KubernetesPlace, memory: str) -> bool:
    """Whether a container may have so much."""
    wanted = {"name": "probe", "image": "none", "resources": {"limits": {"memory": memory}}}
    overrides = json.dumps({"spec": {"containers": [wanted]}})
    try:
        place.kubectl(
            *("run", "probe", "--image=none", "--dry-run=server", f"--overrides={overrides}")
        )
    except Failed:
        return False
    return True


async def test_what_admission_refuses_is_told_in_its_words(place: KubernetesPlace) -> None:
    """At once, for it would be refused again."""
    launcher = await place.open()
    async with limits(place, memory="1Mi"):
        told = await refused(launcher)
    assert "the cluster refuses it" in told
    assert "maximum memory usage per Container is 1Mi" in told
    await eventually_nothing(place)


async def test_pod_security_is_told_at_start(place: KubernetesPlace, tmp_path: Path) -> None:
    """A template that the namespace does not admit is found before anybody wants an agent."""
    template = tmp_path / "pod.yaml"
    container = {"name": "forge-agent", "securityContext": {"allowPrivilegeEscalation": True}}
    template.write_text(json.dumps({"spec": {"containers": [container]}}))
    place.configure(FORGE_AGENT_TEMPLATE=str(template))
    with pytest.raises(StartFailed, match=r"Pod Security Standard.*allowPrivilegeEscalation"):
        await place.open()


async def test_unknown_fields_of_a_template_are_told_at_start(
    place: KubernetesPlace, tmp_path: Path
) -> None:
    """The API server would drop them in silence."""
    template = tmp_path / "pod.yaml"
    template.write_text("spec: {nodeSelectr: {disk: ssd}}")
    place.configure(FORGE_AGENT_TEMPLATE=str(template))
    with pytest.raises(StartFailed, match="nodeSelectr"):
        await place.open()


async def test_a_template_is_applied(place: KubernetesPlace, tmp_path: Path) -> None:
    """Node selectors, tolerations and whatever else a cluster wants of pods."""
    template = tmp_path / "pod.yaml"
    template.write_text(
        "metadata: {labels: {team: search}}\n"
        "spec:\n"
        "  nodeSelector: {kubernetes.io/os: linux}\n"
        "  tolerations: [{key: agents, operator: Exists}]\n"
        "  containers: [{name: forge-agent, env: [{name: EXTRA, value: '1'}]}]\n"
    )
    place.configure(FORGE_AGENT_TEMPLATE=str(template))
    launcher = await place.open()
    await launcher.create(spec(), wait_s=0)
    pod = json.loads(place.kubectl("get", "pod", "ada-a1", "--output=json"))
    assert pod["metadata"]["labels"]["team"] == "search"
    assert pod["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert "agents" in [toleration.get("key") for toleration in pod["spec"]["tolerations"]]
    env = {entry["name"] for entry in pod["spec"]["containers"][0]["env"]}
    assert {"EXTRA", "AGENT_ID"} <= env


async def test_a_missing_service_account_is_told_at_start(place: KubernetesPlace) -> None:
    """With its name."""
    place.configure(FORGE_AGENT_SERVICE_ACCOUNT="nobody")
    with pytest.raises(StartFailed, match=r"service account is missing.*nobody"):
        await place.open()


async def test_a_missing_namespace_is_told_at_start(place: KubernetesPlace) -> None:
    """With the variable that names it."""
    place.configure(AGENT_NAMESPACE="no-such-namespace")
    with pytest.raises(StartFailed, match=r"AGENT_NAMESPACE.*no-such-namespace"):
        await place.open()


async def test_owners_cannot_reach_over(place: KubernetesPlace) -> None:
    """Whatever an owner is called, the agent is made, and is that owner's alone."""
    launcher = await place.open()
    owners = [*HOSTILE_OWNERS, "ada", "eve"]
    made = [
        await launcher.create(spec(f"a{number}", user_id=owner), wait_s=0)
        for number, owner in enumerate(owners)
    ]
    assert [agent.user_id for agent in made] == owners
    for agent in made:
        assert [found.agent_id for found in await launcher.list(agent.user_id)] == [agent.agent_id]
    assert await launcher.list("bob") == []


async def test_env_and_tokens_are_not_in_the_pod(place: KubernetesPlace) -> None:
    """Whoever may read pods reads no secret: values are in a Secret, tokens nowhere."""
    launcher = await place.open()
    made = await launcher.create(spec(env={"TOKEN": "hush-hush"}), wait_s=0)
    shown = place.kubectl("get", "pod", "ada-a1", "--output=yaml")
    tokens = [place.keyring.token("a1", scope, key_id=made.key_id) for scope in ("client", "relay")]
    assert not [secret for secret in ["hush-hush", *tokens] if secret in shown]
    assert "automountServiceAccountToken: false" in shown
    encoded = place.kubectl("get", "secret", "ada-a1-env", "--output=jsonpath={.data.TOKEN}")
    assert base64.b64decode(encoded) == b"hush-hush"


async def test_development_access_by_a_node(place: KubernetesPlace) -> None:
    """With NODE_HOST agents are reached there; the Service goes with its pod."""
    place.configure(NODE_HOST="10.77.0.1")
    launcher, other = await place.open(), await place.open()
    await launcher.create(spec(), wait_s=20)
    target = await other.reach("a1", timeout_s=10)
    assert target.startswith("10.77.0.1:")
    assert (await status(place, other)).agent_id == "a1"
    await launcher.delete("a1")
    await launcher.retired("a1")
    await eventually_nothing(place)


async def test_a_pod_without_its_service_gets_it(
    place: KubernetesPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made the pod may have died between the two: any gateway makes what is missing."""
    monkeypatch.setattr(sweep, "_MAKING_S", 1.0)
    place.configure(NODE_HOST="10.77.0.1")
    launcher = await place.open()
    await launcher.create(spec(), wait_s=20)
    await asyncio.to_thread(place.kubectl, "delete", "service", "ada-a1")
    async with asyncio.timeout(10):
        while (await launcher.get("a1")).ready:
            await asyncio.sleep(0.01)
    assert (await launcher.reach("a1", timeout_s=20)).startswith("10.77.0.1:")
    assert (await status(place, launcher)).agent_id == "a1"
