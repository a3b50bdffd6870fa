"""Numbers for Prometheus, and the resource that shows them. Labels are bounded: no ids."""

import asyncio
from collections.abc import Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from starlette.responses import Response

from gateway.http.operations import Access, Answer, Call, NoQuery, Operation

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ACCEPT_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)


class Metrics:
    """One gateway's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "forge_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._accepted = Histogram(
            "forge_accept_seconds",
            "From a command's first byte to its 202",
            registry=self.registry,
            buckets=_ACCEPT_BUCKETS_S,
        )
        tasks = Gauge(
            "forge_tasks",
            "Tasks of the event loop: relays, deliveries, requests",
            registry=self.registry,
        )
        tasks.set_function(lambda: len(asyncio.all_tasks()))

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. `route`: the path with its parameters' names, "" for none."""
        known = method if method in _METHODS else "OTHER"
        self._requests.labels(known, route or "none", str(status)).inc()
        if status == 202:
            self._accepted.observe(seconds)


class MetricsResource:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def operations(self) -> Sequence[Operation]:
        return [
            Operation(
                method="GET",
                path="/metrics",
                name="metrics",
                summary="Numbers in Prometheus' text form",
                handler=self._show,
                access=Access.ALL_OWNERS,
                answers={200: Answer(what="The numbers", media="text/plain")},
            )
        ]

    async def _show(self, _: Call[NoQuery, None]) -> Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return Response(generate_latest(self._metrics.registry), headers=headers)
