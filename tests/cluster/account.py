"""The gateways' service account as they use it, and its Role with a verb less."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.place import Place

NAME = "forge-gateway"
REFUSED = re.compile(r"cannot \w+ resource")
"""What the API server says to anybody who lacks a permission."""
_KNOWN_S = 10.0
_LOOK_S = 0.05


@dataclass(frozen=True, order=True)
class Permission:
    """One verb of one resource."""

    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}"

    @property
    def refusal(self) -> str:
        """What the API server says to one who lacks it."""
        return f'cannot {self.verb} resource "{self.resource}"'


async def kubeconfig(place: Place, folder: Path) -> Path:
    """One with that account's token."""
    config = json.loads(Path(os.environ["FORGE_TEST_KUBECONFIG"]).read_text())
    token = await place.run("create", "token", NAME)
    for user in config["users"]:
        user["user"] = {"token": token.strip()}
    made = folder / "gateway.kubeconfig"
    made.write_text(json.dumps(config))
    return made


async def permissions(place: Place) -> list[Permission]:
    """All that its Role gives."""
    rules = await _rules(place)
    return sorted(
        Permission(resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


@asynccontextmanager
async def without(place: Place, lacking: Permission) -> AsyncIterator[None]:
    """The Role lacks it until the block ends."""
    rules = await _rules(place)
    fewer = [
        {**rule, "verbs": [verb for verb in rule["verbs"] if verb != lacking.verb]}
        if lacking.resource in rule["resources"]
        else rule
        for rule in rules
    ]
    await _write(place, [rule for rule in fewer if rule["verbs"]])
    try:
        await _until(place, lacking, allowed=False)
        yield
    finally:
        await _write(place, rules)
        await _until(place, lacking, allowed=True)


async def _rules(place: Place) -> list[dict[str, Any]]:
    """One for each resource."""
    found = json.loads(await place.run("get", "role", NAME, "--output", "json"))
    return [
        {**rule, "resources": [resource]}
        for rule in found["rules"]
        for resource in rule["resources"]
    ]


async def _write(place: Place, rules: list[dict[str, Any]]) -> None:
    patch = json.dumps({"rules": rules})
    await place.run("patch", "role", NAME, "--type=merge", "--patch", patch)


async def _until(place: Place, asked: Permission, *, allowed: bool) -> None:
    """Until the API server knows of it."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{place.name}:{NAME}",
            "resourceAttributes": {
                "namespace": place.name,
                "resource": asked.resource,
                "verb": asked.verb,
            },
        },
    }
    async with asyncio.timeout(_KNOWN_S):
        while True:
            told = await place.run(
                *("create", "--filename=-", "--output=jsonpath={.status.allowed}"),
                text=json.dumps(review),
            )
            if told == str(allowed).lower():
                return
            await asyncio.sleep(_LOOK_S)
