"""A message in the parts that the CLI takes. No I/O."""

import base64

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message


def content(message: Message) -> list[dict[str, str]]:
    """The text first, then each file."""
    return [_text(message.content), *(_part(attachment) for attachment in message.attachments)]


def _part(attachment: Attachment) -> dict[str, str]:
    """The CLI has no part for a text file, so its name is said in the text."""
    if attachment.needs is Capability.ATTACH_TEXT:
        text = attachment.data.decode("utf-8", "replace")
        return _text(f"The file {attachment.filename}:\n\n{text}")
    encoded = base64.b64encode(attachment.data).decode("ascii")
    return {"type": "image", "url": f"data:{attachment.mime_type};base64,{encoded}"}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
