"""What the real CLIs once said still means the same."""

import pytest

from tests.agent_runtime.backends.transcripts import replay


@pytest.mark.parametrize("name", sorted(replay.PLAYERS))
def test_a_transcript_means_what_it_meant(name: str) -> None:
    """Kinds, data, outcomes, usage and cost of recorded turns, event by event."""
    expected = (replay.FOLDER / f"{name}.story").read_text().splitlines()
    assert replay.story(name) == expected
