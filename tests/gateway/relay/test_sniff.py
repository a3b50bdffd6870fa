"""Whether a file is what its sender says."""

import pytest

from gateway.errors import BadRequest
from gateway.relay.sniff import check
from tests.peers.files import GIF, JPEG, PDF, PNG, WEBP

TRUE = [
    ("image/png", PNG),
    ("image/jpeg", JPEG),
    ("image/gif", GIF),
    ("image/webp", WEBP),
    ("application/pdf", PDF),
    ("text/plain", "grüße".encode()),
    ("text/csv", b"a,b\n"),
    ("application/json", b"{}"),
]


@pytest.mark.parametrize(("mime_type", "content"), TRUE)
def test_what_is_true_is_taken(mime_type: str, content: bytes) -> None:
    """Each type that agents take, by its first bytes."""
    check(mime_type, content)


@pytest.mark.parametrize(
    ("mime_type", "content", "why"),
    [
        ("image/png", JPEG, "it is image/jpeg, not image/png"),
        ("image/png", b"hello", "it is something else, not image/png"),
        ("application/pdf", PNG, "it is image/png, not application/pdf"),
        ("text/plain", PNG, "it is not UTF-8"),
        ("text/plain", b"a\0b", "NUL"),
        ("image/png", b"", "it is empty"),
        ("image/webp", b"RIFF1234AVI ", "something else"),
        ("video/mp4", b"....ftyp", "video/mp4 is not taken; image/png, "),
    ],
)
def test_what_is_not_is_refused_with_a_reason(mime_type: str, content: bytes, why: str) -> None:
    """A wrong type would make a model fail in the middle of a turn, or worse."""
    with pytest.raises(BadRequest, match=why):
        check(mime_type, content)
