"""Backends: the adapters that drive one kind of CLI each.

In here: the protocol, the registry (entry-point group `agent_runtime.backends`)
and one file or package a CLI. A backend knows its CLI and the sink it is given;
it knows no journal, no queue, no gRPC and no other backend. It turns every
foreign exception into BackendUnusable or BackendCrashed.
"""
