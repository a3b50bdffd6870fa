"""What a prompt consists of."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside the text; its content has been found to be what `mime_type` says."""

    filename: str
    mime_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What the user says. `attachments` only of kinds that the backend can take."""

    content: str
    attachments: tuple[Attachment, ...] = ()
