"""Files that a client sends past any gateway."""

import pytest

from agent_runtime.errors import Invalid
from agent_runtime.turns.attachments import (
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    check_attachments,
)
from agent_runtime.turns.command import check
from gateway.errors import BadRequest
from gateway.relay import sniff
from proto.agent.v1 import agent_pb2
from tests.peers.files import GIF, JPEG, PDF, PNG, WEBP

TYPES = (
    *sniff.IMAGES,
    sniff.PDF,
    *sniff.TEXTS,
    "text/plain",
    "text/csv",
    "application/zip",
    "application/octet-stream",
    "application/jsonx",
    "image/tiff",
    "video/mp4",
)
CONTENTS = (
    *(PNG, JPEG, GIF, WEBP, PDF),
    b"RIFF1234AVI ",
    b"PK\x03\x04\x00",
    "grüße\n".encode(),
    "grüße".encode("latin-1"),
    b"a\0b",
)


def file(mime_type: str, data: bytes, filename: str = "a") -> agent_pb2.Attachment:
    return agent_pb2.Attachment(filename=filename, mime_type=mime_type, data=data)


def gateway_takes(mime_type: str, content: bytes) -> bool:
    try:
        sniff.check(mime_type, content)
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize("mime_type", TYPES)
def test_what_a_gateway_refuses_is_refused_here(mime_type: str) -> None:
    """And nothing else: it is one list for all clients."""
    for content in CONTENTS:
        files = [file("text/plain", b"fine"), file(mime_type, content)]
        if gateway_takes(mime_type, content):
            check_attachments(files)
        else:
            with pytest.raises(Invalid, match=r"attachments\[1\]\.mime_type"):
                check_attachments(files)


@pytest.mark.parametrize(
    ("attachments", "why"),
    [
        ([file("text/plain", b"")], r"attachments\[0\]: filename and data"),
        ([file("text/plain", b"x", "")], r"attachments\[0\]: filename and data"),
        ([file("text/", b"x")], r"mime_type: image/png, image/jpeg"),
        ([file("text/plain", b"x")] * (MAX_ATTACHMENTS + 1), "at most 32"),
        ([file("text/plain", b"x" * (MAX_ATTACHMENT_BYTES + 1))], "bytes together"),
    ],
    ids=["empty", "nameless", "no type", "too many", "too large"],
)
def test_bounds_are_said(attachments: list[agent_pb2.Attachment], why: str) -> None:
    """Before anything is journalled."""
    send = agent_pb2.SendMessageRequest(content="look", attachments=attachments)
    with pytest.raises(Invalid, match=why):
        check(agent_pb2.AgentRequest(request_id="r1", send_message=send))
