"""Where a pod's gRPC is dialled: its own address, or a port of a node."""

from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.objects import Pod, Service
from gateway.launchers.kubernetes.reflector import Listener, Reflector


class Targets:
    """Made from what is known; `node_host` and `services` only for a gateway outside of the
    cluster, which reaches no pod's own address."""

    def __init__(self, node_host: str = "", services: Reflector[Service] | None = None) -> None:
        self._node_host = node_host
        self._services = services

    def of(self, pod: Pod) -> str | None:
        """None: it has no address yet."""
        if self._services is None:
            return _dialled(pod.status.pod_ip, names.PORT) if pod.status.pod_ip else None
        service = self._services.get(pod.metadata.name)
        ports = [port.node_port for port in service.spec.ports] if service else []
        return _dialled(self._node_host, ports[0]) if ports and ports[0] else None

    def lacks_service(self, pod: Pod) -> bool:
        """Whether it is to be dialled by a Service that it does not have."""
        return self._services is not None and self._services.get(pod.metadata.name) is None

    def listen(self, listener: Listener[Service]) -> None:
        """Told of Services, where they matter."""
        if self._services is not None:
            self._services.listen(listener)


def _dialled(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
