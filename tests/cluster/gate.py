"""Keeps pods of a test's agents Pending, and nobody else's."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.kubectl import Kubectl


@dataclass(frozen=True)
class Gate:
    """Pods made with its template get onto the node only while it is open."""

    label: str

    @property
    def template(self) -> dict[str, Any]:
        """For FORGE_AGENT_TEMPLATE."""
        return {"spec": {"nodeSelector": {self.label: "open"}}}

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """New pods stay Pending until the block ends."""
        await asyncio.to_thread(self._set, "-")
        try:
            yield
        finally:
            await asyncio.to_thread(self._set, "=open")

    def _set(self, value: str) -> None:
        Kubectl()(
            "label", "node", os.environ["FORGE_TEST_NODE"], f"{self.label}{value}", "--overwrite"
        )


@contextmanager
def new_gate() -> Iterator[Gate]:
    """An open one."""
    made = Gate(f"forge.test/{secrets.token_hex(4)}")
    made._set("=open")
    try:
        yield made
    finally:
        made._set("-")
