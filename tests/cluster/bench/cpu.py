"""CPU of the processes in pods: it tells what something costs, also on a machine that is busy."""

from dataclasses import dataclass
from typing import Self

from tests.cluster import containers
from tests.cluster.deployment import GATEWAYS, Deployment

_AGENTS = "app.kubernetes.io/name=forge-agent"


@dataclass(frozen=True)
class Cpu:
    """Seconds, of all gateways and of all agents."""

    gateways_s: float
    agents_s: float

    @classmethod
    async def now(cls, deployment: Deployment) -> Self:
        """Since they began."""
        used = []
        for selector in (GATEWAYS, _AGENTS):
            pods = await deployment.objects("pods", selector)
            used.append(sum(containers.cpu_s(pod["metadata"]["uid"]) for pod in pods))
        return cls(*used)

    def each(self, before: "Cpu", count: int) -> "Cpu":
        """Of so many things that were done since then."""
        return Cpu(
            (self.gateways_s - before.gateways_s) / count,
            (self.agents_s - before.agents_s) / count,
        )
