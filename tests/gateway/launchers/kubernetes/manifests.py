"""Pods as they would be sent, for tests that look at them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.keyring import Keyring
from gateway.keyring.key import GatewayKey
from gateway.launchers.kubernetes.facts import AgentFacts
from gateway.launchers.kubernetes.pod import PodMaker
from gateway.launchers.kubernetes.template import PodTemplate
from gateway.model import AgentSpec
from gateway.settings import Settings

KEYRING = Keyring([GatewayKey("k1", bytes(32))])


def facts(
    *, backend: str = "opencode", env: Mapping[str, str] | None = None, user_id: str = "ada"
) -> AgentFacts:
    spec = AgentSpec(
        agent_id="a1",
        user_id=user_id,
        backend=backend,
        model="m",
        env=env or {},
        labels={"team": "search"},
    )
    return AgentFacts.of(spec, key_id="k1", created_at=datetime(2026, 1, 2, 3, 4, 5, 6, UTC))


def pod(
    agent: AgentFacts | None = None,
    *,
    variables: Mapping[str, str] | None = None,
    gateway_env: Mapping[str, str] | None = None,
    template: PodTemplate | None = None,
    keeps_journal: bool = False,
) -> dict[str, Any]:
    maker = PodMaker(
        Settings.from_env(variables or {}),
        KEYRING,
        template or PodTemplate(),
        gateway_env=gateway_env or {},
    )
    return maker(agent or facts(), keeps_journal=keeps_journal)


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = [c for c in pod["spec"]["containers"] if c["name"] == "forge-agent"]
    assert isinstance(found, dict)
    return found


def env(pod: dict[str, Any]) -> dict[str, Any]:
    """Values, or where they come from."""
    entries = container(pod)["env"]
    assert len({entry["name"] for entry in entries}) == len(entries)
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}
