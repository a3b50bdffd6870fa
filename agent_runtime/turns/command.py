"""Turning a request into a checked command."""

import hashlib
import re
import secrets

from agent_runtime.errors import Invalid
from agent_runtime.journal.rows import Command, CommandKind
from agent_runtime.turns.attachments import check_attachments
from agent_runtime.turns.policy import Policy
from proto.agent.v1.agent_pb2 import AgentRequest, ReplyRequest, SendMessageRequest
from proto.relay.v1.relay_pb2 import DeliveryOptions

REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
MODEL = re.compile(r"[!-~]{1,256}")
MAX_TICKET_BYTES = 8 * 1024
KIND_GLOB = re.compile(r"[a-z.*?\[\]!-]{1,64}")
MAX_KINDS = 32
MAX_COALESCE_MS = 10_000
PROMPT_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
MAX_REPLY_BYTES = 64 * 1024
MODES = ("default", "acceptEdits", "bypassPermissions")

_KINDS = {
    "send_message": CommandKind.MESSAGE,
    "interrupt": CommandKind.INTERRUPT,
    "set_permission_mode": CommandKind.SET_PERMISSION_MODE,
    "set_model": CommandKind.SET_MODEL,
    "reply": CommandKind.REPLY,
    "new_session": CommandKind.NEW_SESSION,
    "set_policy": CommandKind.SET_POLICY,
}


class UnknownCommand(Invalid):
    """No command is set, or one this version does not know."""


def check(
    request: AgentRequest,
    *,
    ticket: bytes = b"",
    options: DeliveryOptions | None = None,
    waited: bool = False,
) -> Command:
    """A command ready to be journalled; an empty request_id is generated.

    Raises:
        UnknownCommand: no command in it.
        Invalid: a field is wrong; names it.
    """
    command = AgentRequest()
    command.CopyFrom(request)
    command.request_id = request.request_id or f"req_{secrets.token_hex(8)}"
    name = command.WhichOneof("command")
    if name is None:
        raise UnknownCommand("the request holds no command that this agent knows")
    check_ticket(ticket)
    _check_fields(command)
    delivery = options or DeliveryOptions()
    _check_options(delivery)
    return Command(
        request=command,
        kind=_KINDS[name],
        digest=digest(command, options),
        ticket=ticket or None,
        kinds=tuple(delivery.kinds),
        coalesce_ms=delivery.coalesce_ms,
        waited=waited,
    )


def check_ticket(ticket: bytes) -> None:
    """Raises Invalid."""
    if len(ticket) > MAX_TICKET_BYTES:
        raise Invalid(f"ticket: at most {MAX_TICKET_BYTES} bytes")


def digest(request: AgentRequest, options: DeliveryOptions | None) -> bytes:
    """SHA-256 over command, content and options; not over request_id or ticket."""
    content = AgentRequest()
    content.CopyFrom(request)
    content.ClearField("request_id")
    told = b"" if options is None else options.SerializeToString(deterministic=True)
    return hashlib.sha256(content.SerializeToString(deterministic=True) + b"\0" + told).digest()


def _check_options(options: DeliveryOptions) -> None:
    if len(options.kinds) > MAX_KINDS:
        raise Invalid(f"kinds: at most {MAX_KINDS} globs")
    for glob in options.kinds:
        if not KIND_GLOB.fullmatch(glob):
            raise Invalid("kinds: globs of 1 to 64 of a-z . * ? [ ] ! - are needed, such as tool.*")
    if not 0 <= options.coalesce_ms <= MAX_COALESCE_MS:
        raise Invalid(f"coalesce_ms: 0 to {MAX_COALESCE_MS}")


def _check_fields(command: AgentRequest) -> None:
    if not REQUEST_ID.fullmatch(command.request_id):
        raise Invalid("request_id: 1 to 128 of A-Z a-z 0-9 _ - are needed")
    if command.HasField("send_message"):
        _check_message(command.send_message)
    if command.HasField("set_permission_mode") and command.set_permission_mode.mode not in MODES:
        raise Invalid(f"mode: one of {', '.join(MODES)} is needed")
    if command.HasField("set_policy"):
        Policy.of(command.set_policy.policy)
    if command.HasField("set_model") and not MODEL.fullmatch(command.set_model.model):
        raise Invalid("model: 1 to 256 printable characters without spaces are needed")
    if command.HasField("reply"):
        _check_reply(command.reply)
    target = command.interrupt.target if command.HasField("interrupt") else ""
    if target and not REQUEST_ID.fullmatch(target):
        raise Invalid("target: a request_id is needed")


def _check_message(message: SendMessageRequest) -> None:
    if not message.content:
        raise Invalid("content: must not be empty")
    if message.timeout_ms < 0:
        raise Invalid("timeout_ms: must not be negative")
    if message.when not in ("", "queue", "now"):
        raise Invalid("when: queue or now is needed")
    Policy.of(message.policy)
    check_attachments(message.attachments)


def _check_reply(reply: ReplyRequest) -> None:
    if not PROMPT_ID.fullmatch(reply.prompt_id):
        raise Invalid("prompt_id: 1 to 128 of A-Z a-z 0-9 . _ : - are needed")
    if reply.ByteSize() > MAX_REPLY_BYTES:
        raise Invalid(f"message and answers: at most {MAX_REPLY_BYTES} bytes together")
    if bool(reply.decision) == bool(reply.answers):
        raise Invalid("decision or answers: one of them is needed")
    if any(not all(chosen.answers) or not chosen.answers for chosen in reply.answers):
        raise Invalid("answers: to each question one text at least is needed, none of them empty")
