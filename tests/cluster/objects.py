"""What the API server has, read without kubectl: a program for each look would take more of a small
machine than what is waited for."""

import json
import os
import ssl
from pathlib import Path
from typing import Any

import httpx

_GROUPS = {"deployments": "apis/apps/v1"}
_LIMIT_S = 60.0


def objects(namespace: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
    """Those of a kind, such as "pods", that the selector chooses; unset, all.

    Raises:
        httpx.HTTPError: the API server refuses, or does not answer.
    """
    config = json.loads(Path(os.environ["FORGE_TEST_KUBECONFIG"]).read_text())
    cluster = config["clusters"][0]["cluster"]
    answer = httpx.get(
        f"{cluster['server']}/{_GROUPS.get(kind, 'api/v1')}/namespaces/{namespace}/{kind}",
        params={"labelSelector": selector},
        headers={"authorization": f"Bearer {config['users'][0]['user']['token']}"},
        verify=ssl.create_default_context(cafile=cluster["certificate-authority"]),
        timeout=_LIMIT_S,
        trust_env=False,
    )
    items: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return items
