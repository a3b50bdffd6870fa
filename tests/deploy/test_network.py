"""Whom the network policies let agents and gateways speak to."""

import ipaddress
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.kustomize import FOLDER, production_with, rendered

INSIDE = [
    "10.96.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "240.10.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fe80::1",
]
"""Of clusters, of private networks, and where clouds tell a machine its credentials."""

OUTSIDE = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"]


AGENT, GATEWAY, RECEIVER = "forge-agent", "forge-gateway", "forge-receiver"
DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


@pytest.fixture(scope="module")
def policies() -> Mapping[str, Any]:
    """Of the base, by the name of those they are for."""
    return network_policies(FOLDER / "base")


def network_policies(folder: Path) -> dict[str, Any]:
    manifests = list(yaml.safe_load_all(rendered(folder)))
    found = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    return {each["metadata"]["name"]: each["spec"] for each in found}


@pytest.mark.parametrize("address", INSIDE)
def test_agents_reach_nothing_inside(policies: Mapping[str, Any], address: str) -> None:
    """Whatever talks an agent into it: no node, no Service, no credentials of the cloud."""
    assert not allowed(policies["forge-agent"], address, 443)


@pytest.mark.parametrize("address", OUTSIDE)
def test_agents_reach_the_outside(policies: Mapping[str, Any], address: str) -> None:
    """Models, packages, repositories: on any port."""
    assert allowed(policies["forge-agent"], address, 9418)


def test_gateways_reach_the_api_server_and_receivers(policies: Mapping[str, Any]) -> None:
    """The API server anywhere; on other ports nothing of the cluster but agents."""
    gateway = policies["forge-gateway"]
    assert allowed(gateway, "10.96.0.1", 443)
    assert allowed(gateway, "8.8.8.8", 8443)
    assert not allowed(gateway, "10.0.0.1", 8443)
    assert not allowed(gateway, "169.254.169.254", 80)


def test_only_gateways_come_in_to_agents(policies: Mapping[str, Any]) -> None:
    """On the port of gRPC alone; and only agents nudge, on a port of its own."""
    (rule,) = policies["forge-agent"]["ingress"]
    assert peers(rule) == ["forge-gateway"]
    assert rule["ports"] == [{"port": 8080, "protocol": "TCP"}]
    public, nudge = policies["forge-gateway"]["ingress"]
    assert (peers(public), public["ports"]) == ([], [{"port": "http", "protocol": "TCP"}])
    assert (peers(nudge), nudge["ports"]) == (
        ["forge-agent"],
        [{"port": "nudge", "protocol": "TCP"}],
    )


def test_agents_resolve_names_and_nudge(policies: Mapping[str, Any]) -> None:
    """All that an agent reaches within the cluster."""
    nudge, names, outside = policies[AGENT]["egress"]
    assert (peers(nudge), nudge["ports"]) == ([GATEWAY], [{"port": 9090, "protocol": "TCP"}])
    (resolver,) = names["to"]
    assert resolver["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "kube-system"
    }
    assert resolver["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    assert names["ports"] == DNS
    assert all("ipBlock" in peer for peer in outside["to"])


def test_gateways_reach_agents_and_names(policies: Mapping[str, Any]) -> None:
    """Names wherever they are resolved; of agents the port of gRPC."""
    agents, names = policies[GATEWAY]["egress"][:2]
    assert (peers(agents), agents["ports"]) == ([AGENT], [{"port": 8080, "protocol": "TCP"}])
    assert ("to" in names, names["ports"]) == (False, DNS)


def test_policies_of_two_namespaces_name_each_other() -> None:
    """A peer without a namespace is one of its own: nothing would reach anything."""
    folder = FOLDER / "overlays/two-namespaces"
    agent = network_policies(folder)[AGENT]
    gateway = network_policies(folder)[GATEWAY]
    for rule in (agent["ingress"][0], agent["egress"][0]):
        assert (peers(rule), namespaces(rule)) == ([GATEWAY], ["forge"])
    for rule in (gateway["ingress"][1], gateway["egress"][0]):
        assert (peers(rule), namespaces(rule)) == ([AGENT], ["forge-agents"])


def test_gateways_for_development_reach_the_receiver_beside_them() -> None:
    """It has an address of the cluster, on which nothing else is reached."""
    gateway = network_policies(FOLDER / "overlays/dev")[GATEWAY]
    assert [RECEIVER] in [peers(rule) for rule in gateway["egress"]]


def test_node_ports_let_everybody_in_to_agents(tmp_path: Path) -> None:
    """Direct clients come from outside of the cluster."""
    agent = network_policies(production_with(tmp_path, ["node-ports"]))[AGENT]
    assert agent["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]


def peers(rule: Mapping[str, Any]) -> list[str]:
    """Names of the pods that a rule is about; none: it is about everybody."""
    selectors = [
        peer["podSelector"]["matchLabels"]
        for peer in rule.get("from", rule.get("to", []))
        if "podSelector" in peer
    ]
    return [labels.get("app.kubernetes.io/name", "") for labels in selectors]


def namespaces(rule: Mapping[str, Any]) -> list[str]:
    """Where those pods are."""
    return [
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for peer in rule.get("from", rule.get("to", []))
    ]


def allowed(policy: Mapping[str, Any], address: str, port: int) -> bool:
    """Whether such a connection may be made, as far as addresses say."""
    return any(lets_out(rule, address) and lets_to(rule, port) for rule in policy["egress"])


def lets_to(rule: Mapping[str, Any], port: int) -> bool:
    ports = rule.get("ports")
    return ports is None or any(each.get("port", port) == port for each in ports)


def lets_out(rule: Mapping[str, Any], address: str) -> bool:
    return "to" not in rule or any(holds(block, address) for block in blocks(rule))


def blocks(rule: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer)


def holds(block: Mapping[str, Any], address: str) -> bool:
    numeric = ipaddress.ip_address(address)
    excepted = map(ipaddress.ip_network, block["except"])
    return numeric in ipaddress.ip_network(block["cidr"]) and not any(
        numeric in network for network in excepted
    )
