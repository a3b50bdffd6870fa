"""Agents as pods.

In here: everything that is said to the Kubernetes API server, what is kept of its
answers, what an agent's objects look like, and what their state means. Not in here:
what an agent says (only gRPC health is asked), tickets, turns.

Imports point downwards:

    agents       all agents, joined from what the reflectors hold, and who answers
    fate         whether a pod will keep what it has taken
    conditions   why a pod is not ready, in words
    answers      asks gRPC health, once a container's start
    targets      where a pod is dialled
    facts        what an agent was made with, in annotations
    reflector    a cache of all objects of one kind, kept true by list and watch
    api          the API server's verbs
    connection   HTTP to it; with login the only module that knows the client library
    login        which cluster, and who we are there
    objects      what is kept of an object
    names        labels, annotations and names that others can rely on
    errors       what the API server can answer
"""
