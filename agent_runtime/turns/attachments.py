"""Files beside a message, looked at before they are journalled. No I/O.

A gateway takes and refuses the same (`gateway.relay.sniff`), but direct clients send
theirs past it.
"""

import re
from collections.abc import Sequence

from agent_runtime.errors import Invalid
from proto.agent.v1.agent_pb2 import Attachment

MAX_ATTACHMENTS = 32
MAX_ATTACHMENT_BYTES = 24 * 1024 * 1024

_TEXT = re.compile(r"text/[a-z0-9.+-]+|application/(json|toml|javascript|xml|yaml)")
_BEGINS = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "application/pdf": re.compile(rb"%PDF-"),
}


def check_attachments(attachments: Sequence[Attachment]) -> None:
    """Raises Invalid: too many, too large, or one is not what it says; names it."""
    if len(attachments) > MAX_ATTACHMENTS:
        raise Invalid(f"attachments: at most {MAX_ATTACHMENTS}")
    if sum(len(attachment.data) for attachment in attachments) > MAX_ATTACHMENT_BYTES:
        raise Invalid(f"attachments: at most {MAX_ATTACHMENT_BYTES} bytes together")
    for number, attachment in enumerate(attachments):
        if not attachment.filename or not attachment.data:
            raise Invalid(f"attachments[{number}]: filename and data must not be empty")
        if wrong := _wrong(attachment.mime_type, attachment.data):
            raise Invalid(f"attachments[{number}].mime_type: {wrong}")


def _wrong(mime_type: str, data: bytes) -> str:
    """Why a file is not taken; "": it is."""
    if _TEXT.fullmatch(mime_type):
        return "" if _is_text(data) else f"it is not UTF-8 without NUL, so no {mime_type}"
    begins = _BEGINS.get(mime_type)
    if begins is None:
        known = ", ".join(_BEGINS)
        return f"{known}, text/*, application/json, toml, javascript, xml and yaml are taken"
    return "" if begins.match(data) else f"it does not begin like {mime_type}"


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
