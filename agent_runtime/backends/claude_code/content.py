"""A message in the blocks that the CLI takes. No I/O."""

import base64
from typing import Any

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message


def content(message: Message) -> list[dict[str, Any]]:
    """The files first, as the model's maker advises, then the text."""
    files = [_block(attachment) for attachment in message.attachments]
    return [*files, {"type": "text", "text": message.content}]


def _block(attachment: Attachment) -> dict[str, Any]:
    if attachment.needs is Capability.ATTACH_TEXT:
        text = attachment.data.decode("utf-8", "replace")
        source = {"type": "text", "media_type": "text/plain", "data": text}
        return {"type": "document", "source": source, "title": attachment.filename}
    source = {
        "type": "base64",
        "media_type": attachment.mime_type,
        "data": base64.b64encode(attachment.data).decode("ascii"),
    }
    if attachment.needs is Capability.ATTACH_IMAGE:
        return {"type": "image", "source": source}
    return {"type": "document", "source": source, "title": attachment.filename}
