"""A message in the parts that the CLI takes. No I/O."""

import base64

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message

_TEXT = "text/plain"
"""The one kind of text that the CLI shows the model; it would hand it others as files."""


def parts(message: Message) -> list[dict[str, str]]:
    """The text first, then each file, its content in a data URL."""
    text = {"type": "text", "text": message.content}
    return [text, *(_file(attachment) for attachment in message.attachments)]


def _file(attachment: Attachment) -> dict[str, str]:
    is_text = attachment.needs is Capability.ATTACH_TEXT
    mime = _TEXT if is_text else attachment.mime_type
    content = base64.b64encode(attachment.data).decode("ascii")
    return {
        "type": "file",
        "mime": mime,
        "filename": attachment.filename,
        "url": f"data:{mime};base64,{content}",
    }
