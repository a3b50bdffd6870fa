"""Codex: drives `codex app-server` by JSON-RPC on its standard input and output.

    backend      the Backend: start, prompt, interrupt, stop
    prompt       one prompt, from turn/start to turn/completed
    asking       what the CLI asks, carried to the sink and back
    cli          the process, its version, its thread
    threads      begun, taken up again, forked
    history      what the CLI itself has kept of prompts
    rpc          calls and their answers
    turn         what one prompt has come to, told by the events alone (no I/O)
    meaning      kind and data of an event                         (no I/O)
    items        what the parts of a turn mean                     (no I/O)
    asked        what a request asks, and what is answered         (no I/O)
    meter        what model calls have used                        (no I/O)
    merging      two deltas as one                                 (no I/O)
    content      a message in the CLI's parts                      (no I/O)
    events       one message of the CLI                            (no I/O)
    shapes       what is read of it                                (no I/O)
    config       its environment, folders and credentials

The CLI runs without a sandbox of its own and asks before all but harmless
commands (approval policy `untrusted`); what it is answered is the runtime's to decide.

Imports point downwards. Nothing outside this package knows any of it but the class below.
"""

from agent_runtime.backends.codex.backend import CodexBackend

__all__ = ["CodexBackend"]
