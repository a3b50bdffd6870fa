"""A direct gRPC client: one message to an agent, its events as they come.

    python grpc_client.py ADDRESS TOKEN MESSAGE

ADDRESS and TOKEN are what `forge agents get --grpc AGENT` prints. It needs
grpcio and the modules that protoc makes of proto/agent/v1/agent.proto; here
they are the ones that come with the gateway.
"""

import sys

import grpc

from proto.agent.v1 import agent_pb2, agent_pb2_grpc


def main(address: str, token: str, message: str) -> None:
    metadata = (("authorization", f"Bearer {token}"),)
    request = agent_pb2.AgentRequest(
        send_message=agent_pb2.SendMessageRequest(content=message),
    )
    with grpc.insecure_channel(address) as channel:
        agent = agent_pb2_grpc.AgentServiceStub(channel)
        for response in agent.Connect(iter([request]), metadata=metadata):
            print(response.seq, response.WhichOneof("payload"), words(response), flush=True)  # noqa: T201 - what it is for


def words(response: agent_pb2.AgentResponse) -> str:
    """The CLI's own JSON, why the turn failed, or how it ended."""
    if response.HasField("event"):
        return response.event.event_json.decode()
    if response.HasField("error"):
        return f"{response.error.code}: {response.error.message}"
    return agent_pb2.Outcome.Name(response.outcome)


if __name__ == "__main__":
    main(*sys.argv[1:4])
