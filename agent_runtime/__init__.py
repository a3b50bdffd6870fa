"""The runtime in the sandbox: drives one CLI, keeps the journal, serves gRPC.

Rooms, from the door inwards; imports point downwards only:

    server       gRPC: agent.v1, relay.v1, tokens, the nudge, start and stop
    turns        the queue and the runner of turns
    backends     one file or package a CLI              (side by side with journal)
    journal      the SQLite file: turns, events, marks; the cursor over them
    workspace    what is in the CLI's folder, as trees of a private git repository (ditto)
    processes    CLI processes in groups of their own, ended whole
    process_table  what the system tells about processes
    errands      short programs, bounded in time and output
    memory       what the kernel killed for want of it, and the limit
    settings     the environment, read once
    logs         one event a line, for machines
    errors       the error tree        model: the facts all rooms share

Shares nothing with `gateway` but `proto`.
"""
