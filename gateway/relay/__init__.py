"""Relay: between the agents' gRPC services and the receivers' webhooks.

In here: accepting a command (Submit) with its files, links to agents, the relay of one
agent with its turns and marks, when a relay is attached, nudges, reading back events and
the conversation, and what else is said to an agent's runtime (status, retirement); in
`pods` what is written on pods for agents that may vanish with their journals. Out of
here: how agents are made and found (`gateway.launchers`), how one event is posted
(`gateway.delivery`), HTTP.

What a relay holds may be lost at any moment: the agent's journal has it, and whoever
attaches next gets everything from the mark on; or the notes on its pod say what is owed.
So nothing waits here for longer than seconds: a turn that has to is parked, which gives
it back to its agent.

Imports: gateway.{launchers.protocol,launchers.notes,delivery,keyring,errors,model} and
proto; only `gateway.http` and `gateway.app` import this room.
"""
