"""Whether a file is what its sender says, told by its first bytes. No I/O."""

from gateway.errors import BadRequest

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PDF = "application/pdf"
TEXTS = (
    "application/json",
    "application/toml",
    "application/javascript",
    "application/xml",
    "application/yaml",
)
"""Besides text/*."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
)


def check(mime_type: str, content: bytes) -> None:
    """Raises BadRequest: it is of another type, or of one that no agent takes."""
    if not content:
        raise BadRequest("it is empty")
    if mime_type.startswith("text/") or mime_type in TEXTS:
        _check_text(mime_type, content)
        return
    if mime_type not in (*IMAGES, PDF):
        known = ", ".join((*IMAGES, PDF, "text/*", *TEXTS))
        raise BadRequest(f"mime_type: {mime_type} is not taken; {known} are")
    found = _type_of(content)
    if found != mime_type:
        raise BadRequest(f"mime_type: it is {found or 'something else'}, not {mime_type}")


def _check_text(mime_type: str, content: bytes) -> None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest(f"mime_type: it is not UTF-8, so no {mime_type}") from error
    if "\0" in text:
        raise BadRequest(f"mime_type: it holds NUL characters, so it is no {mime_type}")


def _type_of(content: bytes) -> str:
    """Empty for what none of the marks tells."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for mark, kind in _MAGIC if content.startswith(mark)), "")
