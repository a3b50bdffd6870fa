"""The log file is bounded, and its end is fit to be shown."""

from pathlib import Path

from gateway.launchers.local import log


def test_long_log_is_set_aside(tmp_path: Path) -> None:
    """At most the bound and one older file stay."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * (log.MAX_BYTES + 1))
    log.rotate(path)
    assert not path.exists()
    assert (tmp_path / "log.1").stat().st_size == log.MAX_BYTES + 1


def test_short_log_goes_on(tmp_path: Path) -> None:
    """What the last runtime said stays beside what the next one says."""
    path = tmp_path / "log"
    path.write_bytes(b"x" * log.MAX_BYTES)
    log.rotate(path)
    assert path.exists()


def test_last_words_are_few_printable_and_without_secrets(tmp_path: Path) -> None:
    """Whatever bytes a process wrote, the message is one line a terminal can show."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n" + b"noise\n" * 5000 + b"a\x1b[31m\xffkey=sk-123456\n\n\x00end")
    words = log.last_words(path, since_bytes=7, secrets=["sk-123456", ""])
    assert words.endswith("a [31m\ufffdkey=*** | end")
    assert words.count("|") == 4
    assert log.last_words(path, since_bytes=10**6, secrets=[]) == ""
    assert log.last_words(tmp_path / "none", since_bytes=0, secrets=[]) == ""


def test_last_words_of_a_structured_log_are_words(tmp_path: Path) -> None:
    """Whoever reads why an agent is not ready reads a sentence, not JSON."""
    path = tmp_path / "log"
    path.write_text(
        '{"event": "agent_ready"}\n{"event": "cannot_run", "reason": "no space left"}\n'
    )
    words = log.last_words(path, since_bytes=0, secrets=[])
    assert words == "agent_ready | no space left"
