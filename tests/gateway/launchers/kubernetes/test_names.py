"""Labels that Kubernetes takes, whoever the owner is."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from gateway.launchers.kubernetes import names

HOSTILE = [
    "ada,agent-id=other",
    "ada=eve",
    "a" * 300,
    "Ada Lovelace",
    "\N{GREEK SMALL LETTER ALPHA}da",
    "-ada-",
    "ada\nuser-id: eve",
    "!ada",
    "",
]


def test_a_label_value_is_kept() -> None:
    """What people select by does not change."""
    for owner in ("ada", "Ada.Lovelace_1", "a" * 63):
        assert names.label_value(owner) == owner


@given(st.text(max_size=400))
@example("".join(HOSTILE))
def test_every_owner_has_a_label_value(owner: str) -> None:
    """At most 63 of letters, digits, - _ . and a letter or digit at both ends."""
    value = names.label_value(owner)
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", value)


def test_owners_that_look_alike_are_told_apart() -> None:
    """Two owners never share a label because of what was left out."""
    values = {names.label_value(owner) for owner in [*HOSTILE, "ada", "eve", "ada-eve"]}
    assert len(values) == len(HOSTILE) + 3


def test_labels_of_an_agent() -> None:
    """What Services, policies and people select by."""
    assert names.labels("ada@example.com", "a1") == {
        "app.kubernetes.io/name": "forge-agent",
        "app.kubernetes.io/managed-by": "forge-gateway",
        "app.kubernetes.io/component": "agent",
        "user-id": names.label_value("ada@example.com"),
        "agent-id": "a1",
    }
