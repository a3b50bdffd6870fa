"""What is decided without asking the user, by tool; before the permission mode."""

import math
from collections.abc import Iterable, Iterator
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from agent_runtime.errors import Invalid
from proto.agent.v1 import agent_pb2

DEFAULT_TIMEOUT_S = 600.0
MAX_TIMEOUT_S = 86_400
MAX_RULES = 64
QUESTION = "question"
"""The tool that stands for questions."""


class Action(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tool`: a glob in the CLI's own words."""

    tool: Annotated[str, Meta(min_length=1, max_length=128)]
    action: Action


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of an agent, or of a message. `None` and "": left to the one behind it."""

    rules: Annotated[tuple[Rule, ...], Meta(max_length=MAX_RULES)] = ()
    timeout_s: Annotated[float, Meta(gt=0, le=MAX_TIMEOUT_S)] | None = None
    on_timeout: Literal["", "reject", "allow"] = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """Of JSON, "" for none. Raises Invalid, naming the field."""
        try:
            return msgspec.json.decode(text or "{}", type=cls)
        except msgspec.DecodeError as error:
            raise Invalid(f"policy: {error}") from error

    @classmethod
    def of(cls, told: agent_pb2.Policy) -> Self:
        """Raises Invalid, naming the field."""
        content = {
            "rules": [{"tool": rule.tool, "action": rule.action} for rule in told.rules],
            "timeout_s": told.timeout_ms / 1000 if told.timeout_ms else None,
            "on_timeout": told.on_timeout,
        }
        try:
            return msgspec.convert(content, cls)
        except msgspec.ValidationError as error:
            raise Invalid(f"policy: {error}") from error

    @property
    def text(self) -> str:
        """As `read` takes it; never ""."""
        return msgspec.json.encode(self).decode()

    @property
    def told(self) -> agent_pb2.Policy:
        """As `of` takes it."""
        return agent_pb2.Policy(
            rules=[agent_pb2.Rule(tool=rule.tool, action=rule.action) for rule in self.rules],
            timeout_ms=math.ceil((self.timeout_s or 0) * 1000),
            on_timeout=self.on_timeout,
        )

    def over(self, base: "Policy") -> "Policy":
        """Both, this one first."""
        return Policy(
            rules=(*self.rules, *base.rules),
            timeout_s=self.timeout_s or base.timeout_s,
            on_timeout=self.on_timeout or base.on_timeout,
        )

    @property
    def patience_s(self) -> float:
        return self.timeout_s or DEFAULT_TIMEOUT_S

    def action(self, tool: str) -> Action | None:
        """Of the first rule that matches; None where none does."""
        return next(_matching(self.rules, tool), None)


NO_POLICY = Policy()


def _matching(rules: Iterable[Rule], tool: str) -> Iterator[Action]:
    return (rule.action for rule in rules if fnmatchcase(tool, rule.tool))
