"""A command that waits on a pod: sealed, so that it is read by gateways alone.

The agent's id is sealed in: a note that was copied to another pod does not open there.
"""

import hashlib

from google.protobuf.message import DecodeError

from gateway.errors import SealBroken
from gateway.keyring import Keyring
from gateway.launchers.notes import Note
from proto.relay.v1 import relay_pb2

_END = b"\0"


def digest(submit: relay_pb2.SubmitRequest) -> str:
    """Of everything but the ticket: by it a repeat is told from other content."""
    bare = relay_pb2.SubmitRequest()
    bare.CopyFrom(submit)
    bare.ClearField("ticket")
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def seal(keyring: Keyring, agent_id: str, submit: relay_pb2.SubmitRequest) -> bytes:
    """Under the current gateway key; ASCII."""
    return keyring.seal(agent_id.encode() + _END + submit.SerializeToString())


def unseal(keyring: Keyring, agent_id: str, note: Note) -> relay_pb2.SubmitRequest:
    """What waits in a note of exactly this turn.

    Raises:
        SealBroken: no key opens it, or it was written for another turn or agent.
    """
    owner, _, data = keyring.unseal(note.sealed).partition(_END)
    try:
        submit = relay_pb2.SubmitRequest.FromString(data)
    except DecodeError as error:
        raise SealBroken("the note holds something else than a command") from error
    if owner != agent_id.encode() or submit.request.request_id != note.request_id:
        raise SealBroken("the note was sealed for another turn")
    return submit


def ticket(keyring: Keyring, agent_id: str, note: Note) -> bytes:
    """The ticket of a note's turn; b"": it wants no delivery. Raises SealBroken."""
    return unseal(keyring, agent_id, note).ticket if note.kind == "waiting" else note.sealed
