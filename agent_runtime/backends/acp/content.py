"""A message in the protocol's blocks. No I/O."""

import base64
from urllib.parse import quote

from acp import schema

from agent_runtime.backends.acp.abilities import Abilities
from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment, Message

Block = schema.TextContentBlock | schema.ImageContentBlock | schema.EmbeddedResourceContentBlock


def content(message: Message, abilities: Abilities) -> list[Block]:
    """The text first, then each file: its content where the agent takes that, else as text."""
    files = [_file(attachment, abilities) for attachment in message.attachments]
    return [_text(message.content), *files]


def _file(attachment: Attachment, abilities: Abilities) -> Block:
    if attachment.needs is Capability.ATTACH_IMAGE:
        encoded = base64.b64encode(attachment.data).decode("ascii")
        return schema.ImageContentBlock(type="image", data=encoded, mime_type=attachment.mime_type)
    text = attachment.data.decode("utf-8", "replace")
    if not abilities.embeds:
        return _text(f"The file {attachment.filename}:\n\n{text}")
    resource = schema.TextResourceContents(
        uri=f"attachment:///{quote(attachment.filename)}",
        mime_type=attachment.mime_type,
        text=text,
    )
    return schema.EmbeddedResourceContentBlock(type="resource", resource=resource)


def _text(text: str) -> schema.TextContentBlock:
    return schema.TextContentBlock(type="text", text=text)
