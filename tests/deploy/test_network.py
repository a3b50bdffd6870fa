"""Whom the network policies let agents and gateways speak to."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.deploy.kustomize import FOLDER, rendered

INSIDE = [
    "10.96.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.192",
    "192.168.1.1",
    "fd00:ec2::254",
    "fe80::1",
]
"""Of clusters, of private networks, and where clouds tell a machine its credentials."""

OUTSIDE = ["8.8.8.8", "172.15.255.255", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"]


@pytest.fixture(scope="module")
def policies() -> Mapping[str, Any]:
    """By the name of those they are for."""
    manifests = list(yaml.safe_load_all(rendered(FOLDER / "base")))
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


def peers(rule: Mapping[str, Any]) -> list[str]:
    """Names of the pods that a rule lets in; none: it lets in everybody."""
    selectors = [peer["podSelector"]["matchLabels"] for peer in rule.get("from", [])]
    return [labels["app.kubernetes.io/name"] for labels in selectors]


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
