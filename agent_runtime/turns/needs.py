"""What a command asks of the backend."""

from collections.abc import Iterator

from agent_runtime.backends.capability import Capability
from agent_runtime.backends.message import Attachment
from agent_runtime.backends.protocol import Backend
from agent_runtime.errors import Unsupported
from proto.agent.v1.agent_pb2 import AgentRequest, SendMessageRequest


def attachments(message: SendMessageRequest) -> Iterator[Attachment]:
    """As backends take them."""
    for told in message.attachments:
        yield Attachment(told.filename, told.mime_type, told.data)


def check_supported(request: AgentRequest, backend: Backend) -> None:
    """Raises Unsupported, naming the first capability that the backend lacks."""
    for capability in _needed(request):
        if capability not in backend.capabilities:
            raise Unsupported(backend.name, capability)


def _needed(request: AgentRequest) -> Iterator[Capability]:
    match request.WhichOneof("command"):
        case "send_message":
            if request.send_message.HasField("policy"):
                yield Capability.PERMISSIONS
            yield from (attachment.needs for attachment in attachments(request.send_message))
        case "set_model":
            yield Capability.SET_MODEL
        case "new_session":
            yield Capability.FORK if request.new_session.fork else Capability.NEW_SESSION
        case "reply":
            if request.reply.answers:
                yield Capability.QUESTIONS
            else:
                yield Capability.PERMISSIONS
        case "set_policy":
            yield Capability.PERMISSIONS
        case "set_permission_mode":
            yield Capability.SET_PERMISSION_MODE
