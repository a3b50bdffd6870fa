"""Agents as pods.

In here: everything that is said to the Kubernetes API server, what is kept of its
answers, what an agent's objects look like, and what their state means. Not in here:
what an agent says (only gRPC health is asked), tickets, turns.

An agent is a pod, or, with a volume of its own, a volume claim whose pod is made again
when it is gone. What a gateway knows of them comes from caches that list and watch keep
true; on the path of a message the API server is not asked. Any number of gateways do so
side by side: whatever two of them could change at once carries the version it was
decided on. A deleted agent is marked before anything of it is deleted.

Imports point downwards:

    launcher     the protocol's methods
    sweep        pods that are missing are made, marked agents deleted, whoever forgot it
    maker        makes an agent's objects, undoes what failed
    deletion     marks and deletes
    inheritance  what waits on the pod of a volume comes to the next one
    notebook     notes on pods, changed one conditional patch at a time
    note         one of them as an annotation
    waiting      until an agent is up             view         an agent as others see it
    refusals     why the cluster takes no pod     conditions   why one is not ready
    pod, belongings, environment, template, merge              what the objects look like
    agents       all agents, joined from what the reflectors hold, and who answers
    warnings     what is said of a pod elsewhere than in its status
    answers      asks gRPC health, once a start   targets      where a pod is dialled
    fate         whether a pod will keep what it has taken
    facts        what an agent was made with, in annotations
    reflector    a cache of all objects of one kind
    api          the API server's verbs           objects      what is kept of an object
    connection   HTTP to it; with login the only module that knows the client library
    login        which cluster, and who we are there
    names        labels, annotations and names that others can rely on
    errors       what the API server can answer
"""

from gateway.launchers.kubernetes.launcher import KubernetesLauncher

__all__ = ["KubernetesLauncher"]
