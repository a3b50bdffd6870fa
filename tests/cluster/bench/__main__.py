"""`make bench-cluster`: inside the network of a node that has the images."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bench.table import Row, show
from tests.cluster.bench import cases, emitter
from tests.cluster.deployment import Deployment, deployed
from tests.cluster.node.layout import ADDRESS
from tests.cluster.node.progress import step
from tests.peers.sink_process import sink


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="forge-bench-") as folder,
        deployed(
            components=[emitter.component(Path(folder))], template=emitter.template()
        ) as deployment,
    ):
        return asyncio.run(_measure(deployment))


async def _measure(deployment: Deployment) -> int:
    rows: list[Row] = []
    try:
        async for row in _rows(deployment):
            rows.append(row)  # what was measured is shown in any case
    finally:
        show("two gateways as pods, the Python driver and receiver beside the node", rows)
    return 1 if any(row.broken for row in rows) else 0


async def _rows(deployment: Deployment) -> AsyncIterator[Row]:
    with step("creating agents"):
        async for row in cases.creates(deployment):
            yield row
    async with sink(host=ADDRESS) as receiver, deployment.client() as client:
        agents = [await client.create(backend="emitter") for _ in range(cases.AGENTS)]
        with step("events"):
            yield await cases.events(deployment, agents, receiver.base)
        with step("messages"):
            async for row in cases.messages(deployment, agents, receiver.base):
                yield row
    with step("killing gateways"):
        yield await cases.kills(deployment)


if __name__ == "__main__":
    sys.exit(main())
