"""The programs of a node as data, in the order in which they are started."""

from tests.cluster.node.components import Components
from tests.cluster.node.layout import ADDRESS, SERVICES, Layout
from tests.cluster.node.programs import Program

_ISSUER = "https://kubernetes.default.svc.cluster.local"


def etcd() -> Program:
    """State of the API server; nothing is synced to disk, for nothing has to survive."""
    return Program("etcd", ("etcd", "--data-dir", "/var/lib/etcd", "--unsafe-no-fsync"))


def containerd(layout: Layout) -> Program:
    """Runs the containers."""
    return Program("containerd", ("containerd", "-c", f"{layout.configuration}/containerd.toml"))


def apiserver(layout: Layout, components: Components) -> Program:
    """With real authorization and all admission that is on by default, Pod Security included."""
    key = f"{layout.keys}/accounts.key"
    return Program(
        "kube-apiserver",
        (
            str(components.path("kube-apiserver")),
            "--etcd-servers=http://127.0.0.1:2379",
            f"--cert-dir={layout.keys}",
            f"--advertise-address={ADDRESS}",
            f"--service-cluster-ip-range={SERVICES}",
            "--allow-privileged",  # Pod Security refuses it where it is to be refused
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--token-auth-file={layout.keys}/tokens.csv",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--kubelet-preferred-address-types=InternalIP",  # for logs and exec
        ),
    )


def others(layout: Layout, components: Components) -> tuple[Program, ...]:
    """What needs the API server."""
    return (
        Program(
            "kube-controller-manager",
            (
                str(components.path("kube-controller-manager")),
                f"--kubeconfig={layout.kubeconfig('controllers')}",
                f"--service-account-private-key-file={layout.keys}/accounts.key",
                f"--root-ca-file={layout.keys}/apiserver.crt",
                "--use-service-account-credentials",
                "--node-monitor-grace-period=5m",  # a busy machine is no lost node
                "--leader-elect=false",
            ),
        ),
        Program(
            "kube-scheduler",
            (
                str(components.path("kube-scheduler")),
                f"--kubeconfig={layout.kubeconfig('scheduler')}",
                "--leader-elect=false",
            ),
        ),
        Program(
            "kubelet",
            (
                str(components.path("kubelet")),
                f"--config={layout.configuration}/kubelet.json",
                f"--kubeconfig={layout.kubeconfig('kubelet')}",
                f"--hostname-override={layout.name}",
                f"--node-ip={layout.address}",
            ),
        ),
        Program(
            "kube-proxy",
            (
                str(components.path("kube-proxy")),
                f"--config={layout.configuration}/proxy.json",
            ),
        ),
        Program(
            "coredns", (str(components.path("coredns")), "-conf", f"{layout.configuration}/dns")
        ),
    )
