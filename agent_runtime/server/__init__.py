"""The runtime's doors: gRPC, its tokens, the nudge, start and stop.

In here: both services, the relay's session, who may call what, the process's
life from the folder's lock to its release. Out of here: what a turn is, what is
journalled how. Grpc types stay in this room.
"""
