"""An agent as everybody else sees it."""

from gateway.launchers.kubernetes.agents import KnownAgent
from gateway.launchers.kubernetes.conditions import Trouble, container, how_it_ended, trouble
from gateway.model import Agent


def shown(known: KnownAgent) -> Agent:
    """Phases are Kubernetes' own; one without a pod, whose volume is there, is Pending."""
    pod = known.pod
    why = Trouble("") if known.ready else why_not_ready(known)
    return Agent(
        agent_id=known.facts.agent_id,
        user_id=known.facts.user_id,
        backend=known.facts.backend,
        pod_name=known.facts.name,
        pod_ip=pod.status.pod_ip if pod else "",
        phase=pod.status.phase if pod else "Pending",
        ready=known.ready,
        created_at=known.facts.created_at,
        key_id=known.facts.key_id,
        reason=why.reason,
        message=why.message,
    )


def why_not_ready(known: KnownAgent) -> Trouble:
    """Of one that is not."""
    if known.pod is None:
        return Trouble("Restarting", "its pod is gone and is made again")
    why = trouble(known.pod, known.warned)
    if why is not None:
        return why
    status = container(known.pod)
    before = status.last_state.terminated if status else None
    if before is not None:
        return Trouble("Restarting", f"its container {how_it_ended(before)}; it has been restarted")
    return Trouble("Starting", "its container runs, its gRPC does not answer yet")
