"""Commands and bodies that tests of the runtime hand to it."""

from agent_runtime.journal.rows import Command
from agent_runtime.turns.command import check
from proto.agent.v1 import agent_pb2


def message(request_id: str, content: str = "hello", *, ticket: bytes = b"ticket") -> Command:
    send = agent_pb2.SendMessageRequest(content=content)
    request = agent_pb2.AgentRequest(request_id=request_id, send_message=send)
    return check(request, ticket=ticket)


def interrupt(request_id: str, target: str = "") -> Command:
    request = agent_pb2.AgentRequest(
        request_id=request_id, interrupt=agent_pb2.InterruptRequest(target=target)
    )
    return check(request)


def event(text: str = "x") -> bytes:
    payload = agent_pb2.EventPayload(event_type="text", event_json=text.encode())
    return agent_pb2.AgentResponse(event=payload).SerializeToString()


def final() -> bytes:
    complete = agent_pb2.CompletePayload(success=True)
    return agent_pb2.AgentResponse(is_final=True, complete=complete).SerializeToString()
