"""Turns: what a command means, the queue, the runner that drives the backend.

In here: checking commands, the sink through which a backend's events reach the
journal, the runner of messages and of the short turns beside them, how a turn
ends. Out of here: gRPC, delivery, what a CLI speaks.
"""
