"""What containerd, kubelet, kube-proxy and CoreDNS are told. JSON, which is YAML, too."""

import json
from typing import Any

from tests.cluster.node.layout import ADDRESS, PODS, Layout

PAUSE_IMAGE = "localhost/pause:1"

_CONTAINERD = """\
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
# restrict_oom_score_adj: where CAP_SYS_RESOURCE is missing runc fails without it, with "can't get
# final child's PID".
_DNS = """\
cluster.local:53 {{
    errors
    kubernetes {{
        kubeconfig {kubeconfig}
    }}
}}
.:53 {{
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
# There is no outside: a name that is no Service's does not exist, at once.


def write(layout: Layout) -> None:
    """Write all of it into the node's configuration folder."""
    folder = layout.configuration
    (folder / "cni").mkdir(parents=True)
    (folder / "containerd.toml").write_text(_CONTAINERD.format(pause=PAUSE_IMAGE, folder=folder))
    (folder / "dns").write_text(_DNS.format(kubeconfig=layout.kubeconfig("dns")))
    (folder / "cni" / "10-pods.conflist").write_text(json.dumps(_network(layout)))
    (folder / "kubelet.json").write_text(json.dumps(_kubelet(layout)))
    (folder / "proxy.json").write_text(json.dumps(_proxy(layout)))


def _network(layout: Layout) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": layout.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    # No masquerading, no ports of the node's: nothing here needs them, and they would be a dozen
    # programs for every pod that comes or goes.
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge]}


def _kubelet(layout: Layout) -> dict[str, Any]:
    taints = [{"key": layout.taint, "effect": "NoSchedule"}] if layout.taint else []
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "failSwapOn": False,
        "protectKernelDefaults": True,  # it then checks what else it would change
        "enforceNodeAllocatable": [],
        # whatever this machine's disk looks like, images stay and pods are not evicted for it
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "maxPods": 200,
        "registerWithTaints": taints,
        "clusterDNS": [ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
    }


def _proxy(layout: Layout) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))},
        "clusterCIDR": PODS,
        "hostnameOverride": layout.name,
        "conntrack": {"maxPerCore": 0},  # its limit is the whole machine's
    }
