"""What callers say of permissions: a policy, of an agent or of one message."""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.http.forms import ToolGlob
from gateway.model import Action, Policy


class RuleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tool`: as `permission.asked` names it; questions are the tool `question`."""

    tool: ToolGlob
    action: Action


class PolicyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Comes before the permission mode. Of several rules that match the first one counts."""

    rules: Annotated[list[RuleBody], Meta(max_length=64)] | UnsetType = UNSET
    timeout_s: (
        Annotated[
            float, Meta(gt=0, le=86_400, description="How long a prompt waits for its answer")
        ]
        | UnsetType
    ) = UNSET
    on_timeout: (
        Annotated[Literal["reject", "allow"], Meta(description="What becomes of a permission then")]
        | UnsetType
    ) = UNSET


class RuleAnswer(msgspec.Struct, frozen=True):
    tool: str
    action: Action


class PolicyAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As it was given."""

    rules: tuple[RuleAnswer, ...] = ()
    timeout_s: float | UnsetType = UNSET
    on_timeout: Literal["", "reject", "allow"] = ""


def shown(policy: Policy | None) -> PolicyAnswer | UnsetType:
    if policy is None:
        return UNSET
    return PolicyAnswer(
        rules=tuple(RuleAnswer(tool, action) for tool, action in policy.rules),
        timeout_s=policy.timeout_ms / 1000 if policy.timeout_ms else UNSET,
        on_timeout=policy.on_timeout,
    )


def policy_of(body: PolicyBody | UnsetType) -> Policy | None:
    """None where none is given."""
    if body is UNSET:
        return None
    rules = () if body.rules is UNSET else body.rules
    return Policy(
        rules=tuple((str(rule.tool), rule.action) for rule in rules),
        timeout_ms=0 if body.timeout_s is UNSET else math.ceil(body.timeout_s * 1000),
        on_timeout="" if body.on_timeout is UNSET else body.on_timeout,
    )


def policy_text(body: PolicyBody | UnsetType) -> str:
    """As the agent reads it when it starts."""
    if body is UNSET:
        return ""
    return msgspec.json.encode(body, enc_hook=str).decode()
