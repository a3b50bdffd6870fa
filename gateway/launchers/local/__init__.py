"""Agents as child processes of one machine.

In here: agents' folders and what their files mean, the runtime's processes, the
sockets between them and gateways, and the sweep that keeps agents alive. Not in
here: what an agent says (only gRPC health is asked), tickets, turns.

An agent is a folder; `<state>/agents/<agent_id>/` holds

    agent.json   the facts it was made with; a folder without them is not an agent
    lock         held by its runtime for life; says, and nothing else does, that it lives
    clean        the runtime ended with nothing left to do; it starts on demand
    deleted      the tombstone: gone for the API, starts only to deliver what is left
    log          what the runtime wrote to stdout and stderr
    workspace/   where its CLI works

and its runtime answers on a socket in the runtime folder. Several gateways may
share one state folder; they never talk to each other, the files above are all
they have in common. A gateway that is killed while it makes an agent leaves a
folder without facts, which is collected once it is an hour old and no runtime
lives in it any more.

Imports point downwards:

    launcher     the protocol's methods
    sweep        starts what should run, removes what is done
    runtimes     brings runtimes up, one start at a time for an agent; knows which serve
    process      one runtime as a child       nudge      this gateway's nudge socket
    backoff      agents that die at once
    folders      all of them, looked through  sockets    the runtime folder
    folder       an agent's files and marks
    facts, log, lock, environment             one kind of file, or of variable, each
"""

from gateway.launchers.local.launcher import LocalLauncher

__all__ = ["LocalLauncher"]
