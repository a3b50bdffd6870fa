"""OpenCode: drives `opencode serve` over its HTTP API and event stream.

    backend      the Backend: start, prompt, interrupt, stop
    prompt       one prompt, from its POST to its end
    turn         what one prompt has come to, told by the events alone (no I/O)
    history      what the CLI itself has kept of prompts
    asking       what the CLI asks, carried to the sink and back
    meaning      kind and data of an event                         (no I/O)
    asked        what an event asks                                (no I/O)
    merging      two deltas as one                                 (no I/O)
    events, sse  reading the CLI's own JSON out of the stream      (no I/O)
    shapes       what is read of it                               (no I/O)
    parts        a message in the CLI's parts                      (no I/O)
    client       the calls; foreign exceptions end here
    server       the process, its port, its output
    config       its environment, configuration and credentials

Imports point downwards. Nothing outside this package knows any of it but the class below.
"""

from agent_runtime.backends.opencode.backend import OpenCodeBackend

__all__ = ["OpenCodeBackend"]
