"""Files beside a message, as callers give them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.errors import BadRequest
from gateway.http.forms import FileName, FileUrl, MimeType, plain
from gateway.model import File


class AttachmentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Its content as base64, or a URL that the gateway fetches before it answers."""

    filename: FileName
    mime_type: MimeType
    data: Annotated[bytes, Meta(description="Base64")] | UnsetType = UNSET
    url: FileUrl | UnsetType = UNSET


Attachments = Annotated[
    list[AttachmentBody], Meta(max_length=32, description="Images, PDF and text")
]


def files_of(bodies: Attachments | UnsetType) -> tuple[File, ...]:
    """Raises BadRequest: one has neither content nor URL, or both."""
    if bodies is UNSET:
        return ()
    return tuple(_file(number, body) for number, body in enumerate(bodies))


def _file(number: int, body: AttachmentBody) -> File:
    if (body.data is UNSET) == (body.url is UNSET):
        raise BadRequest(f"attachments[{number}]: data or url, one of them, is needed")
    return File(
        filename=plain(body.filename),
        mime_type=plain(body.mime_type),
        data=b"" if body.data is UNSET else body.data,
        url=plain(body.url),
    )
