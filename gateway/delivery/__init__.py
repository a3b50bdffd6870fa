"""Delivery: one event to one receiver, and what may go wrong on the way.

In here: the sealed ticket, the payload's bytes (of one event or a batch), both
signatures, where posts may not go (the guard, and the resolver it stands before),
one attempt over HTTP on connections that hear only so much, what its answer means,
the breaker of hosts that fail, and when to try again; and the download of a file that
a message names, behind the same guard. Out of here: agents, gRPC
streams, acknowledgements, the order of events, parked turns (`gateway.relay` has
those) and the HTTP API. Nothing here keeps an event longer than its delivery takes.

Imports: gateway.{keyring,settings,errors,model} and proto only; `gateway.relay` imports
this room, never the other way.
"""
