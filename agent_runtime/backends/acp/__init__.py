"""ACP: drives any agent that speaks the Agent Client Protocol on its standard input and output.

    backend      the Backend: start, prompt, interrupt, stop
    prompt       one prompt, from session/prompt to its answer
    asking       permissions, carried to the sink and back; the agent's other requests
    agent        the process, what it can do, its session
    rpc          calls and their answers, typed by the package `acp`
    turn         what one prompt has come to, told by the messages alone (no I/O)
    meaning      kind and data of a message                        (no I/O)
    changed      which files a call has changed                    (no I/O)
    asked        what is asked, and what is answered               (no I/O)
    content      a message in the protocol's blocks                (no I/O)
    files        reading and writing for the agent, in the workspace only
    abilities    what the agent says that it can do                (no I/O)
    merging      two deltas as one                                 (no I/O)
    events       one message of the agent                          (no I/O)
    shapes       what is read of it                                (no I/O)
    config       the command, its environment

The package `acp` types what is sent and what is answered. It does not read the pipe: it
would hand on messages without their bytes, and hold up no agent that says too much.

Imports point downwards. Nothing outside this package knows any of it but the class below.
"""

from agent_runtime.backends.acp.backend import AcpBackend

__all__ = ["AcpBackend"]
