"""Backends: the adapters that drive one kind of CLI each.

In here: the protocol with its parts (message, asks, capability, permission_mode),
the registry (entry-point group `agent_runtime.backends`), one file or package a
CLI, and what several of them need:

    running      whether a backend starts or prompts, and is to end
    open_asks    what is asked while a prompt runs
    binary       a program and the versions of it that are supported
    stdio        JSON lines on the pipes of a process     (on lines, pipe)
    unreadable   lines that nobody can read
    recent       a bounded memory

A backend knows its CLI and the sink it is given;
it knows no journal, no queue, no gRPC and no other backend. It turns every
foreign exception into BackendUnusable or BackendCrashed.
"""
