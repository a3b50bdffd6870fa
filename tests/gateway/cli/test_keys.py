"""forge keys: a key is shown once, and only its hash is written."""

import hashlib
from pathlib import Path

from gateway.http.apikeys import ApiKeys
from gateway.keyring import Keyring
from tests.gateway.cli.command import forge


async def test_file_gets_the_line_and_only_that(tmp_path: Path) -> None:
    """The gateway knows the printed key from the file, which does not hold it and is private."""
    path = tmp_path / "keys"
    first = await forge("keys", "new", "one", "--owner", "ada", "--file", str(path), env={})
    second = await forge("keys", "new", "two", "--owner", "*", "--file", str(path), env={})
    assert (first.status, second.status) == (0, 0)
    key = first.out.strip()
    content = path.read_text()
    assert key not in content
    assert hashlib.sha256(key.encode()).hexdigest() in content
    assert path.stat().st_mode & 0o777 == 0o600
    known = ApiKeys(path)
    found = known.find(key)
    assert found is not None
    assert found.owners == frozenset({"ada"})
    everybody = known.find(second.out.strip())
    assert everybody is not None
    assert everybody.owners is None


async def test_without_file_the_line_is_printed() -> None:
    """Whoever keeps the file elsewhere gets the line to put there."""
    ended = await forge("keys", "new", "one", "--owner", "ada", "--owner", "bob", env={})
    key, line = (row.split(maxsplit=1)[1] for row in ended.out.splitlines())
    assert line == f"one {hashlib.sha256(key.encode()).hexdigest()} ada,bob"


async def test_file_stays_valid(tmp_path: Path) -> None:
    """A name that is taken, or a file that is something else, is refused and left as it was."""
    path = tmp_path / "keys"
    await forge("keys", "new", "one", "--owner", "ada", "--file", str(path), env={})
    before = path.read_text().rstrip("\n")
    path.write_text(before)  # no newline at its end
    ended = await forge("keys", "new", "one", "--owner", "ada", "--file", str(path), env={})
    assert ended.status == 1
    assert "same name" in ended.err
    assert path.read_text() == before
    assert (
        await forge("keys", "new", "two", "--owner", "a", "--file", str(path), env={})
    ).status == 0
    assert len(path.read_text().splitlines()) == 2


async def test_wrong_name_is_a_usage_error() -> None:
    """A name that cannot stand in the file ends with 2 and says what would be right."""
    ended = await forge("keys", "new", "two words", "--owner", "ada", env={})
    assert ended.status == 2
    assert "NAME must be" in ended.err


async def test_a_gateway_key_is_a_line_for_the_secret(tmp_path: Path) -> None:
    """Standard output has nothing but the line, and gateways can read it."""
    ended = await forge("keys", "gateway", env={})
    path = tmp_path / "keys"
    path.write_text(ended.out)
    path.chmod(0o440)
    assert (ended.status, ended.err) == (0, "")
    assert len(Keyring.mounted(path).key_ids) == 1
