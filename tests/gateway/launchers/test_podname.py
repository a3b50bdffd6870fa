"""Names that Kubernetes takes, whoever the owner is."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.launchers.podname import pod_name


def test_a_label_is_kept() -> None:
    """Names of existing agents do not change."""
    assert pod_name("ada", "0f3a-77") == "ada-0f3a-77"


def test_what_is_no_label_becomes_one_with_a_hash() -> None:
    """Readable, and different for owners that look alike."""
    one, other = pod_name("Ada@example.com", "a1"), pod_name("ada-example-com", "a1")
    assert re.fullmatch(r"ada-example-com-a1-[0-9a-f]{8}", one)
    assert other == "ada-example-com-a1"


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_name_is_a_dns_label(user_id: str, agent_id: str) -> None:
    """DNS-1035: at most 63 of a-z, 0-9 and -, a letter first, no - at the end."""
    name = pod_name(user_id, agent_id)
    assert len(name) <= 63
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)
