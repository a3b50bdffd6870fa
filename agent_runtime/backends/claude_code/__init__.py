"""Claude Code: drives `claude` by JSON lines on its standard input and output.

    backend      the Backend: start, prompt, interrupt, stop
    prompt       one prompt, from the user's message to its result
    asking       what the CLI asks, carried to the sink and back
    history      what the CLI itself has kept of prompts
    cli          the process, its control requests, its version
    planned      sessions of which the CLI knows nothing yet, on disk
    turn         what one prompt has come to, told by the events alone (no I/O)
    meaning      kind and data of an event                         (no I/O)
    asked        what an event asks, and what is answered          (no I/O)
    merging      two deltas as one                                 (no I/O)
    content      a message in the CLI's blocks                     (no I/O)
    events       one line of the CLI                               (no I/O)
    shapes       what is read of it                                (no I/O)
    config       its environment, folders and credentials

The CLI always runs in its own mode `default`, in which it asks before it does
anything that changes something; what it is answered is the runtime's to decide.

Imports point downwards. Nothing outside this package knows any of it but the class below.
"""

from agent_runtime.backends.claude_code.backend import ClaudeCodeBackend

__all__ = ["ClaudeCodeBackend"]
