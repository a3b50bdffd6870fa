"""What a prompt consists of."""

from dataclasses import dataclass, field

from agent_runtime.backends.capability import Capability

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside the text. It begins as `mime_type` says; a text is UTF-8."""

    filename: str
    mime_type: str
    data: bytes = field(repr=False)

    @property
    def needs(self) -> Capability:
        """What a backend must have to take it."""
        if self.mime_type.startswith("image/"):
            return Capability.ATTACH_IMAGE
        return Capability.ATTACH_PDF if self.mime_type == PDF else Capability.ATTACH_TEXT


@dataclass(frozen=True, slots=True)
class Message:
    """What the user says. `attachments` only of kinds that the backend can take."""

    content: str
    attachments: tuple[Attachment, ...] = ()
