"""Why the API server does not make an agent's pod, in words.

Quota, admission, a missing service account and a namespace that is going are all 403.
They are told apart by their messages, which are part of Kubernetes' tests, and by causes.
"""

from dataclasses import dataclass
from typing import Any

from gateway.errors import Conflict, GatewayError, NotFound, StartFailed
from gateway.launchers.kubernetes.errors import Refused, Stale
from gateway.launchers.kubernetes.objects import SECRETS, SERVICES, Kind

_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Refusal:
    """`taken`: somebody has that name. `passing`: the same may be made a moment later."""

    message: str
    passing: bool = False
    taken: bool = False

    def as_error(self) -> GatewayError:
        return Conflict(self.message) if self.taken else StartFailed(self.message)


def refusal(error: GatewayError, kind: Kind[Any], namespace: str) -> Refusal:
    """Of an object of that kind."""
    told = str(error)
    if isinstance(error, Stale):  # of the quota, changed by somebody else meanwhile
        return Refusal(told, passing=True)
    if isinstance(error, Conflict):
        # What belonged to the last pod of that name goes a little later than that pod.
        belongs = kind in (SECRETS, SERVICES)
        return Refusal(f"there is an agent of that name: {told}", passing=belongs, taken=True)
    if isinstance(error, NotFound):
        return Refusal(f"AGENT_NAMESPACE: there is no namespace {namespace}: {told}")
    if isinstance(error, Refused) and error.status == _FORBIDDEN:
        return _forbidden(error, namespace)
    if isinstance(error, Refused):
        return Refusal(f"the cluster does not take it: {told}")
    return Refusal(told)


def _forbidden(error: Refused, namespace: str) -> Refusal:
    told = str(error)
    if "exceeded quota" in told or "failed quota" in told:
        return Refusal(f"the quota of namespace {namespace} is used up: {told}", passing=True)
    if "violates PodSecurity" in told:
        return Refusal(f"the Pod Security Standard of namespace {namespace} refuses it: {told}")
    if "error looking up service account" in told:
        return Refusal(f"its service account is missing in namespace {namespace}: {told}")
    if "NamespaceTerminating" in error.causes or "it is being terminated" in told:
        return Refusal(f"namespace {namespace} is being deleted: {told}")
    if " cannot create resource " in told:
        return Refusal(f"the gateway lacks a permission in namespace {namespace}: {told}")
    return Refusal(f"the cluster refuses it: {told}")
