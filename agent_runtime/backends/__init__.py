"""Backends: the adapters that drive one kind of CLI each.

In here: the protocol with its parts (message, asks, capability, permission_mode),
the registry (entry-point group `agent_runtime.backends`), one file or package a
CLI, and what several of them need:

    cli_backend  the life of a CLI that runs on from prompt to prompt     (on running)
    exchange     one prompt on the pipes of a CLI, from its first line to its last
    piped_cli    a CLI on pipes, and how one is started
    stdio        JSON lines on the pipes of a process                     (on lines, pipe)
    jsonrpc      what JSON-RPC messages are wrapped in
    shape        JSON, read in the shapes that are expected               (on unreadable)
    open_asks    what is asked while a prompt runs
    models       what is said of a model that the CLI does not list
    start_failure  a CLI that did not start, and whether its version is why
    binary       a program and the versions of it that are supported
    file_changed what no event of its own tells of
    last_words   how a CLI ended, and what it complained of
    unreadable   what nobody can read
    recent       a bounded memory

A backend knows its CLI and the sink it is given;
it knows no journal, no queue, no gRPC and no other backend. It turns every
foreign exception into BackendUnusable or BackendCrashed.
"""
