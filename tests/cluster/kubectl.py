"""kubectl, with the test node's kubeconfig."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.cluster.node.commands import run, wait
from tests.cluster.node.errors import Failed

_LIMIT_S = 60.0
_GONE_S = 90.0
_SEEN_S = 30.0


class Kubectl:
    """One namespace's, or with "" the cluster's."""

    def __init__(self, namespace: str = "") -> None:
        kubeconfig = os.environ["FORGE_TEST_KUBECONFIG"]
        self._prefix = ["kubectl", "--kubeconfig", kubeconfig]
        if namespace:
            self._prefix += ["--namespace", namespace]

    def __call__(self, *words: str | Path, text: str = "", limit_s: float = _LIMIT_S) -> str:
        """What it prints. Raises Failed with what it says."""
        return run([*self._prefix, *words], limit_s=limit_s, text=text)

    def warnings(self, *words: str | Path) -> str:
        """What it and the API server warn of. Raises CalledProcessError."""
        command = [*self._prefix, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=True)
        return done.stderr

    def wait_for(self, kind: str, name: str, shown: str, holds: Callable[[str], bool]) -> None:
        """Until what that JSONPath template shows is so, within 30 s. Raises Failed."""
        seen = ""

        def look() -> bool:
            nonlocal seen
            seen = self("get", kind, name, "--ignore-not-found", "--output", f"jsonpath={shown}")
            return holds(seen)

        try:
            wait(look, limit_s=_SEEN_S, otherwise=shown)
        except Failed as error:
            raise Failed(f"{shown} of {kind} {name} is {seen!r} after {_SEEN_S:.0f} s") from error

    def remove_namespaces(self, *namespaces: str) -> None:
        """And all that is in them; returns when they are gone."""
        self(
            *("delete", "namespace", *namespaces, "--ignore-not-found", "--wait"),
            limit_s=_GONE_S,
        )
