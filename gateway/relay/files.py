"""The files of a message: bounded, fetched where only a URL was given, and looked at."""

from collections.abc import Sequence
from typing import Protocol

from gateway.errors import BadRequest, Unavailable
from gateway.model import File
from gateway.relay.sniff import check
from proto.agent.v1 import agent_pb2


class Fetch(Protocol):
    """What downloads (`gateway.delivery.download`)."""

    async def get(self, url: str, *, limit_bytes: int) -> bytes: ...


class Files:
    """Knows the limits. `most`: files of one message; `most_bytes`: all of them together."""

    def __init__(self, fetch: Fetch, *, most: int, most_bytes: int) -> None:
        self._fetch = fetch
        self._most = most
        self._most_bytes = most_bytes

    async def collect(self, files: Sequence[File]) -> list[agent_pb2.Attachment]:
        """With their content, one after the other: what is left of the bytes bounds the next.

        Raises:
            BadRequest: one is refused; names it and says why.
            Unavailable: one cannot be fetched now.
        """
        if len(files) > self._most:
            raise BadRequest(f"attachments: at most {self._most}, which FORGE_MAX_ATTACHMENTS sets")
        attachments: list[agent_pb2.Attachment] = []
        left = self._most_bytes
        for number, file in enumerate(files):
            try:
                content = await self._content(file, left)
                check(file.mime_type, content)
            except BadRequest as refused:
                raise BadRequest(f"attachments[{number}]: {refused}") from refused
            except Unavailable as busy:
                raise Unavailable(f"attachments[{number}]: {busy}") from busy
            left -= len(content)
            attachments.append(
                agent_pb2.Attachment(filename=file.filename, mime_type=file.mime_type, data=content)
            )
        return attachments

    async def _content(self, file: File, left: int) -> bytes:
        if file.url:
            try:
                return await self._fetch.get(file.url, limit_bytes=left)
            except BadRequest as refused:
                raise BadRequest(f"url: {refused}") from refused
        if len(file.data) > left:
            raise BadRequest(
                f"data: all attachments together have more than {self._most_bytes} bytes, "
                "which FORGE_MAX_ATTACHMENT_BYTES sets"
            )
        return file.data
