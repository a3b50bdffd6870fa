"""Who may speak to the API server, and as whom."""

import csv
import json
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.node.layout import API, Layout

CONTROLLERS = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"
PROXY = "system:kube-proxy"


def write(layout: Layout) -> None:
    """Make the key that signs ServiceAccount tokens, a token and a kubeconfig for each user."""
    _write_signing_key(layout)
    users = {
        "admin": ("admin", "system:masters"),
        "kubelet": (f"system:node:{layout.name}", "system:nodes"),
        "second": (f"system:node:{layout.second.name}", "system:nodes"),
        "controllers": (CONTROLLERS, ""),
        "scheduler": (SCHEDULER, ""),
        "proxy": (PROXY, ""),
        "dns": ("dns", "system:masters"),
    }
    with (layout.keys / "tokens.csv").open("w") as file:
        rows = csv.writer(file)
        for user, (name, group) in users.items():
            token = secrets.token_hex(32)
            rows.writerow([token, name, user, group])
            _write_kubeconfig(layout, user, token)


def _write_signing_key(layout: Layout) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (layout.keys / "accounts.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )


def _write_kubeconfig(layout: Layout, user: str, token: str) -> None:
    authority = str(layout.keys / "apiserver.crt")  # the API server makes it, signed by itself
    path = layout.kubeconfig(user)
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "node", "cluster": {"server": API, "certificate-authority": authority}}
                ],
                "users": [{"name": user, "user": {"token": token}}],
                "contexts": [{"name": "node", "context": {"cluster": "node", "user": user}}],
                "current-context": "node",
            }
        )
    )
    path.chmod(0o600)
